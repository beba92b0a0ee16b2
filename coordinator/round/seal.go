package round

// This file holds the end of a round: proposal, co-signatures, and what a final
// receipt changes.

import (
	"encoding/binary"

	"lode/protocol"
	"lode/validator/score"
	"lode/yuma/ledger"
)

// keepPast is how many finished rounds are kept in memory beyond the window that
// novelty looks back on.
const keepPast = 4

// Proposer returns who proposes the receipt now: drawn by stake from the
// evaluation seed and the number of failed attempts.
func (r *Round) Proposer() protocol.NodeID {
	total := r.Stake()
	if total == 0 {
		return protocol.NodeID{}
	}
	d := protocol.Hash("proposer", r.Eval[:], protocol.Encode(r.Attempt))
	at := binary.LittleEndian.Uint64(d[:8]) % total
	for i := range r.Seats {
		if at < r.Seats[i].Stake {
			return r.Seats[i].Node
		}
		at -= r.Seats[i].Stake
	}
	panic("round: stakes do not sum up")
}

func (m *Machine) propose(now protocol.Instant, s *Seat, p protocol.Proposal) error {
	if err := m.expect(Sealing); err != nil {
		return err
	}
	r := &m.round
	if s.Node != r.Proposer() {
		return protocol.Refuse(protocol.NotProposer, "attempt %d of round %d belongs to %s", r.Attempt, r.Number, r.Proposer().Short())
	}
	if r.Proposal != nil {
		return protocol.Refuse(protocol.Duplicate, "proposed already")
	}
	c := p.Receipt
	if c.Version != protocol.Version || c.Run != m.run || c.Round != r.Number || c.Parent != r.Parent || c.StateRoot != r.Root || c.List != r.List || c.Decision != r.Decision || c.Size == 0 || c.Size > protocol.MaxCount {
		return protocol.Refuse(protocol.WrongReceipt, "round %d", r.Number)
	}
	r.Proposal = &c
	m.deadline, m.expired = now.Add(m.man.Timing.Phase), false
	return nil
}

func (m *Machine) coSign(s *Seat, c protocol.CoSign) error {
	if m.phase != Sealing || s.CoSign != nil {
		return m.lateOr(Sealing, s.CoSign != nil)
	}
	if m.round.Proposal == nil || c.Receipt != m.round.Proposal.Digest() {
		return protocol.Refuse(protocol.WrongReceipt, "not the receipt proposed in round %d", m.round.Number)
	}
	if !bounded(c.Before) || !bounded(c.After) || !bounded(c.HeldOut) {
		return protocol.Refuse(protocol.Malformed, "impossible loss")
	}
	if m.mayWeigh(s.Node) {
		return protocol.Refuse(protocol.WrongPhase, "an epoch ends with this receipt: say the weights first")
	}
	s.CoSign = &c
	return nil
}

// trySeal ends the round once its receipt is final, or passes the proposal on
// when the proposer is gone or failed and those present could seal another's.
func (m *Machine) trySeal() bool {
	r, p := &m.round, m.parts()
	if m.quorum(p) {
		m.finish()
		return true
	}
	gone := r.Proposal == nil && !m.present(r.Proposer())
	if !gone && !m.expired || score.TwoThirds(p.done, p.total) || !score.TwoThirds(p.present, p.total) {
		return false
	}
	r.Proposal = nil
	for i := range r.Seats {
		r.Seats[i].CoSign = nil
	}
	// Two thirds of the stake are present, so this finds one of them soon.
	for r.Attempt++; !m.present(r.Proposer()); r.Attempt++ {
	}
	m.enter(Sealing)
	return true
}

// finish makes the round final: standing, pay and the next state root.
func (m *Machine) finish() {
	r := &m.round
	m.board.Apply(r.Verdicts, r.sheets(), r.refused())
	m.clock()
	s := Summary{
		Round: r.Number, Opened: r.Opened, Closed: m.now, Seed: r.Seed, Eval: r.Eval,
		Workers: r.Workers, Outcomes: r.outcomes(), Receipt: *r.Proposal, Backing: r.backing(), Spent: r.Spent,
		Root: ledger.StateRoot(*r.Proposal),
	}
	s.Before, s.After, s.HeldOut = r.measured()
	s.Due = m.endBlock()
	m.tally(&s)
	m.past = append(m.past, s)
	if most := int(m.man.Score.Window) + keepPast; len(m.past) > most {
		m.past = append(m.past[:0:0], m.past[len(m.past)-most:]...)
	}
	m.round = Round{Number: r.Number + 1, Root: s.Root, Parent: r.Proposal.Digest()}
	m.effects = append(m.effects, Merged{Summary: s})
	m.enter(Gathering)
}

// refused returns the workers whose commits never became candidates.
func (r *Round) refused() []protocol.NodeID {
	var out []protocol.NodeID
	for i := range r.Entries {
		if r.Entries[i].Reason != protocol.OK {
			out = append(out, r.Entries[i].Worker)
		}
	}
	return out
}

func (r *Round) backing() Backing {
	b := Backing{Roster: r.Stake()}
	for i := range r.Seats {
		if s := &r.Seats[i]; s.CoSign != nil {
			b.Validators++
			b.Stake += s.Stake
		}
	}
	return b
}

func (r *Round) outcomes() []Outcome {
	out := make([]Outcome, len(r.Entries))
	next := 0
	for i := range r.Entries {
		e := &r.Entries[i]
		out[i] = Outcome{Worker: e.Worker, Commit: e.Commit, Revealed: e.Revealed, Key: e.Key}
		if e.Reason != protocol.OK {
			out[i].Verdict = score.Verdict{Worker: e.Worker, Reason: e.Reason, Norm: e.Norm}
			continue
		}
		out[i].Verdict = r.Verdicts[next]
		next++
	}
	return out
}

func (r *Round) measured() (before, after, heldOut protocol.NanoNats) {
	var b, a, h []score.Opinion[protocol.NanoNats]
	for i := range r.Seats {
		if s := &r.Seats[i]; s.CoSign != nil {
			b = append(b, score.Opinion[protocol.NanoNats]{Value: s.CoSign.Before, Stake: s.Stake})
			a = append(a, score.Opinion[protocol.NanoNats]{Value: s.CoSign.After, Stake: s.Stake})
			h = append(h, score.Opinion[protocol.NanoNats]{Value: s.CoSign.HeldOut, Stake: s.Stake})
		}
	}
	return score.Median(b), score.Median(a), score.Median(h)
}

func (m *Machine) tally(s *Summary) {
	c := &m.counts
	c.Rounds++
	c.DownBytes += s.Receipt.Size
	for _, o := range s.Outcomes {
		c.UpBytes += o.Commit.Size
		c.Kept += o.Commit.Kept
		if o.Verdict.Reason == protocol.OK {
			c.Accepted++
			c.Tokens += o.Commit.Tokens
		} else {
			c.Refused++
		}
	}
}
