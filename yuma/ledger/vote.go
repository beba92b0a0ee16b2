package ledger

// This file holds votes: how parameters change.

import (
	"encoding/binary"
	"fmt"

	"lode/protocol"
)

// Proposal is a change that is voted on, or waits to be made.
type Proposal struct {
	_       struct{} `cbor:",toarray"`
	Hot     Hotkey   // who proposed it
	Run     Run      // whose parameters change; [Root] is the network
	Changes []Change
	Due     uint64 // height at which votes are counted or, if it passed, it is made
	Passed  bool
}

// Vote is what one hotkey said of a proposal.
type Vote struct {
	_     struct{} `cbor:",toarray"`
	Yes   bool
	Stake Amount // when it was said; what is there when votes are counted may be less, never more
}

var (
	proposals = tableOf[Proposal]('v', 8) // number
	votes     = tableOf[Vote]('y', 8+32)  // proposal, hotkey
	agenda    = tableOf[uint64]('d', 8+8) // height, proposal: the proposal again
	proposers = tableOf[uint64]('q', 32)  // hotkey: its proposal
	maxChange = len(runTable)             // in one proposal
)

// Propose asks for changes of a run's or, for [Root], the network's parameters.
type Propose struct {
	_       struct{} `cbor:",toarray"`
	Hot     Hotkey   // an identity of the signer, with enough stake and no other proposal
	Run     Run
	Changes []Change
}

// Kind implements [Body].
func (Propose) Kind() Kind { return 20 }

func (b Propose) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.owned(b.Hot, signer); err != nil {
		return err
	}
	if len(b.Changes) == 0 || len(b.Changes) > maxChange {
		return fmt.Errorf("ledger: %d changes: %w", len(b.Changes), ErrRange)
	}
	if m.store.has(proposers.key(b.Hot[:])) {
		return fmt.Errorf("ledger: %s has a proposal open: %w", b.Hot.Short(), ErrDuplicate)
	}
	if has := m.say(b.Run, b.Hot); has < Amount(m.net.Params.VoteStake) {
		return fmt.Errorf("ledger: a proposal with stake %d: %w", has, ErrFunds)
	}
	if err := m.change(b.Run, b.Changes, false); err != nil {
		return err
	}
	m.net.Proposals++
	n := m.net.Proposals
	save(&m.store, proposers.key(b.Hot[:]), n)
	m.schedule(n, Proposal{Hot: b.Hot, Run: b.Run, Changes: b.Changes, Due: m.net.Height + m.net.Params.VoteSpan})
	m.tell(Event{What: "proposal", Run: b.Run, Hot: b.Hot, Number: n})
	return nil
}

func (m *Machine) schedule(n uint64, p Proposal) {
	save(&m.store, proposals.key(number(n)), p)
	save(&m.store, agenda.key(number(p.Due), number(n)), n)
}

// CastVote says yes or no to a proposal, with the stake on a hotkey of the signer's,
// others' included. It may be cast again until votes are counted.
type CastVote struct {
	_        struct{} `cbor:",toarray"`
	Proposal uint64
	Hot      Hotkey
	Yes      bool
}

// Kind implements [Body].
func (CastVote) Kind() Kind { return 21 }

func (b CastVote) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.owned(b.Hot, signer); err != nil {
		return err
	}
	p, ok := load[Proposal](&m.store, proposals.key(number(b.Proposal)))
	switch {
	case !ok:
		return fmt.Errorf("ledger: proposal %d: %w", b.Proposal, ErrUnknown)
	case p.Passed:
		return fmt.Errorf("ledger: proposal %d: %w", b.Proposal, ErrClosed)
	}
	stake := m.say(p.Run, b.Hot)
	if stake == 0 || stake < share(m.sayAll(p.Run), m.net.Params.VoteLeast) {
		return fmt.Errorf("ledger: a vote with stake %d: %w", stake, ErrFunds)
	}
	k, said := votes.key(number(b.Proposal), b.Hot[:]), Vote{Yes: b.Yes, Stake: stake}
	if before, voted := load[Vote](&m.store, k); voted && before == said {
		return fmt.Errorf("ledger: proposal %d: that vote: %w", b.Proposal, ErrDuplicate)
	}
	save(&m.store, k, said)
	m.tell(Event{What: "vote", Run: p.Run, Hot: b.Hot, Amount: stake, Number: b.Proposal})
	return nil
}

// say returns the stake that a hotkey has in the affairs of a run or, for [Root], of
// the network: then in coin, over all runs.
func (m *Machine) say(run Run, h Hotkey) Amount {
	if run != Root {
		return m.own(run, h)
	}
	sum := m.own(Root, h)
	for _, r := range m.runs() {
		sum += min(m.worth(r, m.own(r, h)), maxAmount-sum)
	}
	return sum
}

// sayAll is what everybody has.
func (m *Machine) sayAll(run Run) Amount {
	if run != Root {
		return m.staked(run)
	}
	sum := m.staked(Root)
	for _, r := range m.runs() {
		sum += min(m.worth(r, m.staked(r)), maxAmount-sum)
	}
	return sum
}

// settleVotes counts the votes that end at this height and makes the changes whose
// delay is over.
func (m *Machine) settleVotes() {
	for _, id := range m.store.ids(agenda.prefix(number(m.net.Height))) {
		m.store.remove(agenda.key(id))
		k := proposals.key(id[8:])
		p, _ := load[Proposal](&m.store, k)
		n := binary.BigEndian.Uint64(id[8:])
		e := Event{What: "rejected", Run: p.Run, Number: n}
		switch {
		case p.Passed:
			m.dispose(k, p)
			if e.What = "executed"; m.change(p.Run, p.Changes, true) != nil {
				e.What = "failed"
			}
		case m.counted(id[8:], p):
			e.What, p.Passed, p.Due = "passed", true, m.net.Height+m.net.Params.VoteDelay
			m.schedule(n, p)
		default:
			m.dispose(k, p)
		}
		m.tell(e)
	}
}

// dispose forgets a proposal, so that who made it may make another.
func (m *Machine) dispose(key string, p Proposal) {
	m.store.remove(key)
	m.store.remove(proposers.key(p.Hot[:]))
}

// counted counts the votes on a proposal, removes them, and reports whether it passed.
// A vote weighs what its hotkey had when it was cast and still has, so that stake that
// moves counts once and stake that comes late does not.
func (m *Machine) counted(id []byte, p Proposal) bool {
	var yes, all Amount
	for _, v := range m.store.ids(votes.prefix(id)) {
		k := votes.key(v)
		vote, _ := load[Vote](&m.store, k)
		m.store.remove(k)
		weight := min(vote.Stake, m.say(p.Run, Hotkey(v[8:])), maxAmount-all)
		all += weight
		if vote.Yes {
			yes += weight
		}
	}
	q, maj := m.net.Params.VoteQuorum, m.net.Params.VoteMajority
	return all > 0 && all >= share(m.sayAll(p.Run), q) && yes > share(all, maj)
}

// change makes changes to parameters, or only says whether it could.
func (m *Machine) change(run Run, changes []Change, really bool) error {
	if run == Root {
		p := m.net.Params
		if err := set(networkTable, &p, changes); err != nil {
			return err
		}
		if err := p.Check(); err != nil || !really {
			return err
		}
		m.net.Params = p
		return nil
	}
	r, err := m.run(run)
	if err != nil {
		return err
	}
	p := m.rules(run)
	if err := set(runTable, &p, changes); err != nil {
		return err
	}
	if uint64(r.Places) > p.MaxUIDs {
		return fmt.Errorf("ledger: %d places are taken: %w", r.Places, ErrRange)
	}
	if err := p.Check(); err != nil || !really {
		return err
	}
	save(&m.store, runParams.key(run.bytes()), p)
	return nil
}
