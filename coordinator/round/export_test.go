package round

import (
	"reflect"

	"lode/protocol"
)

// Counted tells whether the workers that the phase counts are those it should.
func Counted(m *Machine) bool {
	done := 0
	switch m.phase {
	case Training:
		done = len(m.round.Entries)
	case Revealing:
		for _, e := range m.round.Entries {
			if e.Revealed {
				done++
			}
		}
	}
	for i, w := range m.round.Workers {
		var first int32 // the plain search that the index stands for
		for k, e := range m.round.Entries {
			if e.Worker == w {
				first = int32(k + 1)
			}
		}
		if m.round.entryOf[i] != first || m.round.Seat(w) != nil {
			return false
		}
	}
	return m.done == done && m.awaited == m.awaitedNow() && m.round.Entry(protocol.NodeID{}) == nil
}

// Same tells whether two machines are in the same state, field by field.
func Same(a, b *Machine) bool {
	x, y := *a, *b
	x.effects, y.effects, x.ledger, y.ledger = nil, nil, nil, nil
	return reflect.DeepEqual(&x, &y) && a.ledger.Root() == b.ledger.Root() && a.ledger.Next(0, protocol.Digest{}) == b.ledger.Next(0, protocol.Digest{})
}
