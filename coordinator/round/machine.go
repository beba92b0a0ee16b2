package round

// This file holds the machine and its one way in.

import (
	"bytes"
	"slices"

	"lode/protocol"
	"lode/validator/score"
	"lode/yuma/ledger"
)

// Machine is the state of a run after some prefix of its record.
type Machine struct {
	man protocol.Manifest
	run protocol.RunID

	begun    bool
	log      protocol.Digest // of every event so far
	now      protocol.Instant
	members  []Member // sorted by id
	phase    Phase
	entered  protocol.Instant // when the phase began
	deadline protocol.Instant // 0: none
	expired  bool             // the deadline passed and the phase goes on
	met      bool             // the quorum of this phase was reached
	done     int              // workers who did their part of this phase
	awaited  int              // workers who are present and did not
	round    Round
	beacon   protocol.Digest // of the round before
	board    score.Board
	ledger   *ledger.Machine
	past     []Summary // finished rounds, oldest first, at most keepPast
	saved    protocol.Published
	counts   Counts
	asked    map[protocol.NodeID]int // bytes of transactions in this block, by signer
	askedAll int

	effects []Effect
}

// lastInstant (in the year 2116) leaves room to add any span of the manifest, or
// the age of a phase, without overflow.
const lastInstant protocol.Instant = 1<<62 - 1

// Counts are totals over the run, for people.
type Counts struct {
	Rounds, Accepted, Refused uint64
	Tokens                    uint64 // trained on, as committed by workers whose updates were merged
	UpBytes, DownBytes        uint64 // payloads: updates as sent, merged steps as fetched once
	Kept                      uint64 // values kept by the codec in all listed updates
}

// New returns the machine of a run before its first event. The manifest must be
// valid.
func New(man protocol.Manifest) *Machine {
	m := &Machine{man: man, run: man.ID(), ledger: newLedger(man), asked: map[protocol.NodeID]int{}}
	m.round.Root = protocol.Hash("genesis", m.run[:])
	m.round.Parent = m.round.Root
	return m
}

// Step applies one event of the record. An error means that the event was
// refused and nothing changed; refusals are *protocol.Refusal. The effects are
// valid until the next Step and must be carried out in their order.
func (m *Machine) Step(now protocol.Instant, ev protocol.Event) ([]Effect, error) {
	if now < m.now || now > lastInstant {
		return nil, protocol.Refuse(protocol.Malformed, "time runs backwards, or out")
	}
	if _, ok := ev.(protocol.Genesis); ok == m.begun {
		return nil, protocol.Refuse(protocol.Malformed, "genesis comes first and once")
	}
	m.effects = m.effects[:0]
	before := m.deadline
	if err := m.apply(now, ev); err != nil {
		return nil, err
	}
	m.now = now
	m.log = protocol.Log(m.log, now, ev)
	m.advance()
	m.makeRoom()
	if m.deadline != before {
		m.effects = append(m.effects, Wake{At: m.deadline})
	}
	return m.effects, nil
}

// apply dispatches; each handler checks everything before it changes anything.
func (m *Machine) apply(now protocol.Instant, ev protocol.Event) error {
	switch ev := ev.(type) {
	case protocol.Genesis:
		if ev.Run != m.run {
			return protocol.Refuse(protocol.WrongRun, "the record begins another run")
		}
		m.begun, m.entered = true, now
	case protocol.Resumed:
		return m.resume(now, ev)
	case protocol.Tick:
		return m.tick(now)
	case protocol.Present:
		return m.setPresent(ev.Node, true)
	case protocol.Absent:
		return m.setPresent(ev.Node, false)
	case protocol.Published:
		return m.publish(ev)
	case protocol.Message:
		return m.receive(now, ev)
	case protocol.Transaction:
		return m.transact(ev)
	}
	return nil
}

func (m *Machine) receive(now protocol.Instant, msg protocol.Message) error {
	body, err := msg.Open(m.run)
	if err != nil {
		return err
	}
	if join, ok := body.(protocol.Join); ok {
		return m.join(msg, join)
	}
	if msg.Round != m.round.Number {
		return protocol.Refuse(protocol.WrongRound, "message is for round %d, the run is in round %d", msg.Round, m.round.Number)
	}
	switch body := body.(type) {
	case protocol.Commit:
		return m.commit(msg, body)
	case protocol.Reveal:
		return m.reveal(msg.Node, body)
	}
	seat := m.round.Seat(msg.Node)
	if seat == nil {
		return protocol.Refuse(protocol.NotMember, "no validator of round %d", m.round.Number)
	}
	switch body := body.(type) {
	case protocol.ListSignature:
		return m.signList(seat, body)
	case protocol.Attestation:
		return m.attest(seat, body)
	case protocol.SheetCommit:
		return m.commitSheet(seat, body)
	case protocol.SheetReveal:
		return m.showSheet(seat, body)
	case protocol.Proposal:
		return m.propose(now, seat, body)
	case protocol.CoSign:
		return m.coSign(seat, body)
	}
	return protocol.Refuse(protocol.Malformed, "no such message")
}

// expect refuses a message that belongs to another phase.
func (m *Machine) expect(p Phase) error {
	if m.phase != p {
		return protocol.Refuse(protocol.WrongPhase, "round %d is %v, not %v", m.round.Number, m.phase, p)
	}
	return nil
}

// resume shifts what the present phase counts from. No outage is longer than the
// time since the last event, so that nobody gains time that did not pass.
func (m *Machine) resume(now protocol.Instant, ev protocol.Resumed) error {
	if ev.Outage < 0 || ev.Outage > now.Sub(m.now) {
		return protocol.Refuse(protocol.Malformed, "an outage of %.3f s, but the last event was %.3f s ago", ev.Outage.Seconds(), now.Sub(m.now).Seconds())
	}
	m.entered = m.entered.Add(ev.Outage)
	if m.deadline != 0 {
		m.deadline = m.deadline.Add(ev.Outage)
	}
	return nil
}

func (m *Machine) tick(now protocol.Instant) error {
	if m.deadline == 0 || now < m.deadline {
		return protocol.Refuse(protocol.WrongPhase, "no deadline has passed")
	}
	m.deadline, m.expired = 0, true
	return nil
}

func (m *Machine) publish(ev protocol.Published) error {
	if ev.Round > m.round.Number || ev.Round < m.saved.Round {
		return protocol.Refuse(protocol.WrongRound, "checkpoint of round %d, the run is in round %d", ev.Round, m.round.Number)
	}
	m.saved = ev
	return nil
}

// clock adds the time since the phase began to what the round spent in it.
func (m *Machine) clock() {
	m.round.Spent[m.phase] += m.now.Sub(m.entered)
	m.entered = m.now
}

// enter begins a phase.
func (m *Machine) enter(p Phase) {
	m.clock()
	m.phase, m.entered, m.expired, m.met, m.deadline = p, m.now, false, false, 0
	m.done, m.awaited = 0, m.awaitedNow()
	switch p {
	case Gathering, Closing:
	case Training:
		m.deadline = m.now.Add(m.man.Timing.Train)
	case Attesting:
		m.stand()
		m.deadline = m.now.Add(m.man.Timing.Phase)
	default:
		m.deadline = m.now.Add(m.man.Timing.Phase)
	}
	m.effects = append(m.effects, Entered{Round: m.round.Number, Phase: p})
}

// pending reports whether a worker's part of the present phase is missing.
func (m *Machine) pending(n protocol.NodeID) bool {
	switch m.phase {
	case Training:
		_, ok := m.round.WorkerIndex(n)
		return ok && m.round.Entry(n) == nil
	case Revealing:
		e := m.round.Entry(n)
		return e != nil && !e.Revealed
	}
	return false
}

// awaitedNow counts the workers whom the phase just entered waits for.
func (m *Machine) awaitedNow() (num int) {
	for _, w := range m.round.Workers {
		if m.pending(w) && m.present(w) {
			num++
		}
	}
	return num
}

// did notes that a worker whose part was pending has done it.
func (m *Machine) did(n protocol.NodeID) {
	m.done++
	if m.present(n) {
		m.awaited--
	}
}

// enough reports whether two thirds of the workers who have done their part or
// are awaited have done it.
func (m *Machine) enough() bool { return m.done > 0 && 3*m.done >= 2*(m.done+m.awaited) }

// advance moves through every phase whose end has come.
func (m *Machine) advance() {
	for m.leave() {
	}
}

// leave ends the present phase if its time has come and reports whether it did.
func (m *Machine) leave() bool {
	switch m.phase {
	case Gathering:
		return m.tryOpen()
	case Training:
		return m.tryClose()
	case Revealing:
		if m.awaited > 0 && !m.expired && !(m.enough() && m.patienceEnds()) {
			return false
		}
	case Sealing:
		return m.trySeal()
	default:
		if p := m.parts(); !m.quorum(p) {
			return m.tryVoid(p)
		}
	}
	switch m.phase {
	case Attesting:
		m.settle()
	case Showing:
		m.decide()
	}
	m.enter(m.phase + 1)
	return true
}

// parts is stake by what its validators have done in the present phase.
type parts struct {
	done    uint64 // did their part
	awaited uint64 // present, and still can
	present uint64
	total   uint64 // of the roster
}

func (m *Machine) parts() (p parts) {
	for i := range m.round.Seats {
		s := &m.round.Seats[i]
		here := m.present(s.Node)
		p.total += s.Stake
		if here {
			p.present += s.Stake
		}
		switch {
		case s.did(m.phase):
			p.done += s.Stake
		case here && !s.barred(m.phase):
			p.awaited += s.Stake
		}
	}
	return p
}

// quorum reports whether validators with two thirds of the roster's stake have
// done their part and nobody else is worth waiting for.
func (m *Machine) quorum(p parts) bool {
	return score.TwoThirds(p.done, p.total) && (p.awaited == 0 || m.patienceEnds())
}

// patienceEnds is called once a quorum is reached while others are still
// awaited: the first call sets how long they get, later calls report whether
// that is over.
func (m *Machine) patienceEnds() bool {
	if m.expired {
		return true
	}
	if !m.met {
		m.met = true
		last := m.now.Add(max(m.man.Timing.Grace, m.now.Sub(m.entered)))
		if m.deadline == 0 || last < m.deadline {
			m.deadline = last
		}
	}
	return false
}

func (m *Machine) find(n protocol.NodeID) (int, bool) {
	return slices.BinarySearchFunc(m.members, n, func(x Member, n protocol.NodeID) int {
		return bytes.Compare(x.Node[:], n[:])
	})
}

func (m *Machine) present(n protocol.NodeID) bool {
	i, ok := m.find(n)
	return ok && m.members[i].Present
}
