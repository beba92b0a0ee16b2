package sim

// This file tests a run that trains a part of the model.

import (
	"slices"
	"testing"

	"lode/protocol"
	"lode/replica"
)

// What train.only does not name is after some rounds what it was at the start, on
// all nodes; what it names has learnt, and the workers can be killed as ever.
func TestPartOfTheModel(t *testing.T) {
	y := newTiny(t, func(m *protocol.Manifest) { m.Train.Only = []string{"*.mlp.*", "model.norm.weight"} })
	final := y.play(t, 4, faults{worker: cycle(6)})
	y.steadily(t, final)
	begun, m := newModel(t, y.rules), newModel(t, y.rules)
	for i := range final {
		if err := m.Catch(t.Context(), disk{y.blobs}, &final[i]); err != nil {
			t.Fatal(err)
		}
	}
	l, trained := y.rules.Layout, 0
	for i, frozen := range y.rules.Frozen {
		lo, hi := l.Offset(i), l.Offset(i)+l.Spec(i).Len()
		if slices.Equal(m.Params[lo:hi], begun.Params[lo:hi]) != frozen {
			t.Errorf("%s: frozen %v, but it changed or did not", l.Spec(i).Name, frozen)
		}
		if !frozen {
			trained++
		}
	}
	if trained != 4 {
		t.Errorf("%d tensors are trained: the test sees nothing", trained)
	}
}

func newModel(t *testing.T, r *replica.Rules) *replica.Model {
	t.Helper()
	m, err := replica.NewModel(r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
