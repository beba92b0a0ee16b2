package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/kernel"
	"lode/engine/model"
)

// TestMixed: rounded operands give nearly the same gradient, and training as good.
func TestMixed(t *testing.T) {
	m := model.Default()
	if !kernel.HasMixed() {
		if _, err := New(m, Options{Mixed: true}); err == nil {
			t.Fatal("mixed precision was accepted where there is none")
		}
		t.Skip("SKIPPED: this processor or system has no AMX")
	}
	b := testBatch(rand.New(rand.NewPCG(2, 3)), 8, 64, m.Vocab)
	loss, grads := gradientOf(t, m, Options{}, b)
	mixedLoss, mixed := gradientOf(t, m, Options{Mixed: true}, b)
	if d := math.Abs(loss - mixedLoss); d > 1e-2 || d == 0 {
		t.Errorf("loss is %v, mixed %v", loss, mixedLoss)
	}
	diff := make([]float32, len(grads))
	copy(diff, grads)
	kernel.Axpy(diff, -1, mixed)
	if far := norm(diff) / norm(grads); far > 0.02 {
		t.Errorf("the gradient is off by %v of its norm", far)
	}
	for _, threads := range []int{2, 5} {
		again, same := gradientOf(t, m, Options{Mixed: true, Threads: threads}, b)
		if again != mixedLoss {
			t.Fatalf("loss is %v on %d threads, %v on one", again, threads, mixedLoss)
		}
		for i, g := range mixed {
			if same[i] != g {
				t.Fatalf("gradient %d is %v on %d threads, %v on one", i, same[i], threads, g)
			}
		}
	}
}

// TestMixedLearns as float32 does.
func TestMixedLearns(t *testing.T) {
	if !kernel.HasMixed() {
		t.Skip("SKIPPED: this processor or system has no AMX")
	}
	m := model.Default()
	last := func(opt Options) (loss float64) {
		e := newEngine(t, m, opt)
		r := rand.New(rand.NewPCG(1, 2))
		for range 40 {
			var err error
			if loss, err = e.Step(testBatch(r, 8, 64, m.Vocab), engine.Hyper{Rate: 3e-3, WeightDecay: 0.1, ClipNorm: 1}); err != nil {
				t.Fatal(err)
			}
		}
		return loss
	}
	if full, mixed := last(Options{}), last(Options{Mixed: true}); math.Abs(full-mixed) > 0.05 {
		t.Errorf("loss after 40 steps is %v, mixed %v", full, mixed)
	}
}
