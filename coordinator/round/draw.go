package round

// This file holds which workers a round takes where it takes a share of them.

import (
	"bytes"
	"slices"

	"lode/protocol"
)

// stand notes who is there before the validators show what the next beacon follows
// from. Only among these the next round draws: whoever knows the beacon could else try
// keys until some are sure to be drawn, and join with them or let them come back.
func (m *Machine) stand() {
	for i := range m.members {
		m.members[i].stood = m.members[i].Present
	}
}

// taken returns the workers that a round takes of those present. How many is a share of
// those who stood for the draw, so that to go after it gains nothing. All are taken where
// too few of them are left, and where nobody stood yet: in round 0, whose beacon is known.
func (m *Machine) taken(present []protocol.NodeID) []protocol.NodeID {
	if m.man.Members.Taken(len(present)) == len(present) {
		return present
	}
	stood := 0
	var left []protocol.NodeID
	for i := range m.members {
		x := &m.members[i]
		if x.Role != protocol.Worker || !x.stood {
			continue
		}
		if stood++; x.Present {
			left = append(left, x.Node)
		}
	}
	num := m.man.Members.Taken(max(stood, int(m.man.Members.MinWorkers)))
	if num > len(left) {
		return present
	}
	return drawn(left, num, m.beacon)
}

// drawn returns so many of the workers: those whose digests under the beacon are least.
// They stay in their order.
func drawn(workers []protocol.NodeID, num int, beacon protocol.Digest) []protocol.NodeID {
	lots := make([]protocol.Digest, len(workers))
	for i, w := range workers {
		lots[i] = protocol.Hash("lot", beacon[:], w[:])
	}
	compare := func(a, b protocol.Digest) int { return bytes.Compare(a[:], b[:]) }
	last := slices.SortedFunc(slices.Values(lots), compare)[num-1]
	var out []protocol.NodeID
	for i, w := range workers {
		if compare(lots[i], last) <= 0 {
			out = append(out, w)
		}
	}
	return out
}
