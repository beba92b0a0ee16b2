package round

// This file holds what may be asked of a machine.

import "lode/protocol"

// Manifest returns the run's manifest.
func (m *Machine) Manifest() *protocol.Manifest { return &m.man }

// Run returns the run's id.
func (m *Machine) Run() protocol.RunID { return m.run }

// Phase returns the present phase and the instant it gives up waiting, 0 if it
// waits for ever.
func (m *Machine) Phase() (Phase, protocol.Instant) { return m.phase, m.deadline }

// Entered returns when the present phase began.
func (m *Machine) Entered() protocol.Instant { return m.entered }

// Now returns the instant of the last event.
func (m *Machine) Now() protocol.Instant { return m.now }

// Current returns the round in flight.
func (m *Machine) Current() *Round { return &m.round }

// Members returns everybody who ever joined, sorted by id, those who left among
// them.
func (m *Machine) Members() []Member { return m.members }

// Member returns one member; ok is false if n never joined.
func (m *Machine) Member(n protocol.NodeID) (x Member, ok bool) {
	i, ok := m.find(n)
	if !ok {
		return Member{}, false
	}
	return m.members[i], true
}

// Past returns the last finished rounds, oldest first: at least those that
// novelty looks back on.
func (m *Machine) Past() []Summary { return m.past }

// Counts returns totals over the run.
func (m *Machine) Counts() Counts { return m.counts }

// Saved returns the last published checkpoint; its manifest is zero if there is
// none.
func (m *Machine) Saved() protocol.Published { return m.saved }

// Record returns how often a worker was accepted and refused.
func (m *Machine) Record(n protocol.NodeID) (accepted, refused uint64) {
	s := m.board.Standing(n)
	return s.Accepted, s.Refused
}

// Waiting names who the present phase waits for, for people.
func (m *Machine) Waiting() []protocol.NodeID {
	var out []protocol.NodeID
	for _, x := range m.members {
		if kind, ok := m.Owes(x.Node); ok && kind != protocol.KindJoin {
			out = append(out, x.Node)
		}
	}
	return out
}
