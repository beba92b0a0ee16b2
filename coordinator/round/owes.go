package round

// This file holds what a node has to send now.

import "lode/protocol"

// Owes returns the kind of message the machine is waiting for from n, and false
// if it waits for none. A node that was restarted needs nothing else to go on.
func (m *Machine) Owes(n protocol.NodeID) (protocol.Kind, bool) {
	if !m.begun {
		return 0, false
	}
	if i, known := m.find(n); !known || m.members[i].Left {
		return protocol.KindJoin, true
	}
	r := &m.round
	if _, ok := r.WorkerIndex(n); ok {
		e := r.Entry(n)
		switch {
		case m.phase == Training && e == nil:
			return protocol.KindCommit, true
		case m.phase == Revealing && e != nil && !e.Revealed:
			return protocol.KindReveal, true
		}
		return 0, false
	}
	if s := r.Seat(n); s != nil {
		return m.seatOwes(s)
	}
	return 0, false
}

func (m *Machine) seatOwes(s *Seat) (protocol.Kind, bool) {
	pending := !s.did(m.phase) && !s.barred(m.phase)
	switch m.phase {
	case Closing, Revealing:
		return protocol.KindListSignature, !s.Signed
	case Attesting:
		return protocol.KindAttestation, pending
	case Scoring:
		return protocol.KindSheetCommit, pending
	case Showing:
		return protocol.KindSheetReveal, pending
	case Sealing:
		if m.round.Proposal == nil {
			return protocol.KindProposal, s.Node == m.round.Proposer()
		}
		return protocol.KindCoSign, pending
	}
	return 0, false
}
