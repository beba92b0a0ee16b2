package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/engine"
	"lode/engine/model"
)

// What the mask names is not pulled towards zero, whichever optimizer moves it; the
// rest is, as the reference has it, and vectors never are.
func TestNoDecay(t *testing.T) {
	m := smallModel()
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]bool, l.NumTensors())
	for i := range mask {
		mask[i] = i%2 == 0
	}
	b := testBatch(rand.New(rand.NewPCG(5, 5)), 2, 8, m.Vocab)
	for _, muon := range []bool{false, true} {
		h := engine.Hyper{Rate: 1e-2, WeightDecay: 0.5, Muon: muon}
		masked, all, ref := newEngine(t, m, Options{NoDecay: mask}), newEngine(t, m, Options{}), newReference(t, m)
		ref.NoDecay = mask
		if _, err := ref.Step(b, h); err != nil {
			t.Fatal(err)
		}
		for _, e := range []*Engine{masked, all} {
			if _, err := e.Step(b, h); err != nil {
				t.Fatal(err)
			}
		}
		for i := range mask {
			s, lo := l.Spec(i), l.Offset(i)
			hi := lo + s.Len()
			same := slices.Equal(masked.params[lo:hi], all.params[lo:hi])
			if want := !mask[i] || len(s.Shape) == 1; same != want {
				t.Errorf("Muon %v: %s moves as without the mask: %v, want %v", muon, s.Name, same, want)
			}
			for k, v := range masked.params[lo:hi] {
				if math.Abs(ref.Grads[lo+k]) < 1e-5 {
					continue // AdamW's first step has the sign of the gradient, which may be noise
				}
				if math.Abs(float64(v)-ref.Params[lo+k]) > 1e-4 {
					t.Fatalf("Muon %v: %s: value %d is %v, want %v", muon, s.Name, k, v, ref.Params[lo+k])
				}
			}
		}
	}
	if _, err := New(m, Options{NoDecay: mask[1:]}); err == nil {
		t.Error("a mask of other tensors is accepted")
	}
}
