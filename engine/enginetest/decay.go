package enginetest

// This file holds what weight decay moves.

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/model"
)

// decay pulls a tensor by the rate times the decay towards zero, whichever optimizer
// moves it, if it is a matrix and the engine was not told to leave it alone.
func (k kit) decay(t *testing.T) {
	l := k.layout(t)
	mask := make([]bool, l.NumTensors())
	for i := range mask {
		mask[i] = i%2 == 0
	}
	if e, err := k.open(k.model, nil, mask[1:]); err == nil {
		t.Error("a mask of other tensors is accepted")
		_ = e.Close()
	}
	b := Batch(rand.New(rand.NewPCG(5, 5)), k.model, 2, 8)
	h := engine.Hyper{Rate: 1e-2, Muon: k.muon}
	before := snapshot(t, k.engine(t))
	plain := k.engine(t)
	if _, err := plain.Step(b, h); err != nil {
		t.Fatal(err)
	}
	moved := snapshot(t, plain)
	h.WeightDecay = 0.5
	for name, mask := range map[string][]bool{"all": nil, "masked": mask} {
		e, err := k.open(k.model, nil, mask)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		if err := model.Init(k.model, [32]byte{1, 2, 3}, e.Params()); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Step(b, h); err != nil {
			t.Fatal(err)
		}
		after := snapshot(t, e)
		for i := range l.NumTensors() {
			s, lo, pull := l.Spec(i), l.Offset(i), 0.0
			if len(s.Shape) > 1 && (mask == nil || !mask[i]) {
				pull = float64(h.Rate) * float64(h.WeightDecay)
			}
			for at := lo; at < lo+s.Len(); at++ {
				if got, want := float64(moved[at])-float64(after[at]), pull*float64(before[at]); math.Abs(got-want) > 1e-6 {
					t.Fatalf("%s: %s: value %d decays by %v, want %v", name, s.Name, at-lo, got, want)
				}
			}
		}
	}
}
