package coordinator_test

import (
	"testing"
	"time"

	"lode/coordinator/round"
	"lode/protocol"
)

// A validator that signs two sheets of one round loses a part of its stake without
// anybody asking for it, and only it; the run goes on.
func TestWitness(t *testing.T) {
	a, ctx := newAlone(t), withDeadline(t, time.Minute)
	a.Start(t)
	liar := validatorKeys[1]
	stakes := func() (lied, honest uint64, now protocol.Round, committed bool) {
		if err := a.now.Ask(ctx, func(m *round.Machine) {
			lied, honest = m.Holding(idOf(liar)).Stake, m.Holding(idOf(validatorKeys[0])).Stake
			now = m.Current().Number
			if s := m.Current().Seat(idOf(liar)); s != nil {
				committed = s.Committed != protocol.Digest{}
			}
		}); err != nil {
			t.Fatal(err)
		}
		return lied, honest, now, committed
	}
	for {
		lied, honest, now, committed := stakes()
		if honest != 1000 {
			t.Fatalf("an honest validator has a stake of %d", honest)
		}
		if lied < 1000 {
			break
		}
		if !committed {
			continue
		}
		second := protocol.Sign(liar, a.rules.Run, now, protocol.SheetCommit{Sheet: protocol.Digest{66}})
		if err := a.now.Submit(ctx, idOf(liar), protocol.Encode(second)); err == nil {
			t.Fatal("a second sheet was taken")
		}
	}
	a.Pass(t, 2)
	if lied, honest, _, _ := stakes(); lied >= 1000 || honest != 1000 {
		t.Errorf("stakes of %d and %d", lied, honest)
	}
}
