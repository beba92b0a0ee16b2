package cpu

import (
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/cpu/blas"
	"lode/engine/model"
)

// TestBLAS: with a library an engine trains as without one, up to rounding, and the
// same on any number of threads.
func TestBLAS(t *testing.T) {
	library, err := blas.Open("libopenblas.so.0")
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v (on Debian: apt install libopenblas0)", err)
	}
	m := model.Default()
	m.Layers = 1
	train := func(opt Options) (losses []float64) {
		e := newEngine(t, m, opt)
		r := rand.New(rand.NewPCG(2, 2))
		for range 4 {
			loss, err := e.Step(testBatch(r, 5, 60, m.Vocab), engine.Hyper{Rate: 1e-2, ClipNorm: 0.1})
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, loss)
		}
		return losses
	}
	want, got := train(Options{}), train(Options{BLAS: library})
	for i, l := range want {
		if d := l - got[i]; d > 1e-4 || d < -1e-4 {
			t.Errorf("step %d: loss is %v, want %v", i, got[i], l)
		}
	}
	for i, l := range train(Options{BLAS: library, Threads: 3}) {
		if l != got[i] {
			t.Errorf("step %d: loss is %v on three threads, %v on one", i, l, got[i])
		}
	}
}
