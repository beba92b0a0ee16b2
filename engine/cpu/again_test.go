package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"lode/engine"
	"lode/engine/model"
)

// gradientOf returns loss and gradient of a batch under those options.
func gradientOf(t *testing.T, m model.Model, opt Options, b engine.Batch) (float64, []float32) {
	t.Helper()
	e := newEngine(t, m, opt)
	loss, err := e.Gradient(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.Gradient(b) // what a pass leaves behind must not matter
	if err != nil || again != loss {
		t.Fatalf("loss is %v and then %v, %v", loss, again, err)
	}
	return loss, e.grads
}

// TestRecomputeChangesNothing: values that are computed again make the same bits,
// whatever is frozen.
func TestRecomputeChangesNothing(t *testing.T) {
	m := smallModel()
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, tied := range []bool{true, false} {
		m.Tied = tied
		for at := -1; at < l.NumTensors(); at++ {
			l, err := model.Layout(m)
			if err != nil {
				t.Fatal(err)
			}
			frozen := make([]bool, l.NumTensors())
			for k := range frozen {
				frozen[k] = at >= 0 && k != at
			}
			b := testBatch(rand.New(rand.NewPCG(2, 3)), 3, 20, m.Vocab)
			loss, grads := gradientOf(t, m, Options{Frozen: frozen}, b)
			loss2, grads2 := gradientOf(t, m, Options{Frozen: frozen, Recompute: true, Threads: 2}, b)
			if loss != loss2 {
				t.Fatalf("loss is %v, computed again %v", loss, loss2)
			}
			for i, g := range grads {
				if math.Float32bits(g) != math.Float32bits(grads2[i]) {
					t.Fatalf("all but tensor %d frozen: gradient %d is %v, computed again %v", at, i, g, grads2[i])
				}
			}
		}
	}
}

// TestRecomputeKeepsLess: of a deep model, the memory of a graph falls by half.
func TestRecomputeKeepsLess(t *testing.T) {
	m := smallModel()
	m.Layers = 12
	allocated := func(opt Options) uint64 {
		e := newEngine(t, m, opt)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := e.build(shape{rows: 64, steps: 32, train: true}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if whole, less := allocated(Options{}), allocated(Options{Recompute: true}); less > whole/2 {
		t.Fatalf("%d bytes instead of %d", less, whole)
	}
}

// TestMicroRows: parts of a batch have the gradient of the whole up to rounding.
func TestMicroRows(t *testing.T) {
	m := smallModel()
	b := testBatch(rand.New(rand.NewPCG(2, 3)), 7, 12, m.Vocab)
	loss, grads := gradientOf(t, m, Options{}, b)
	for _, rows := range []int{1, 2, 3, 6, 7, 100} {
		opt := Options{MicroRows: rows, Threads: 2}
		loss2, grads2 := gradientOf(t, m, opt, b)
		if math.Abs(loss-loss2) > 1e-6 {
			t.Fatalf("%d rows at a time: loss is %v, want %v", rows, loss2, loss)
		}
		for i, g := range grads {
			if math.Abs(float64(g-grads2[i])) > 1e-6 {
				t.Fatalf("%d rows at a time: gradient %d is %v, want %v", rows, i, grads2[i], g)
			}
		}
		whole, err := newEngine(t, m, opt).Loss(b)
		if err != nil || math.Abs(loss-whole) > 1e-6 {
			t.Fatalf("%d rows at a time: loss alone is %v, want %v, %v", rows, whole, loss, err)
		}
	}
	if _, err := New(m, Options{MicroRows: -1}); err == nil {
		t.Fatal("negative rows were accepted")
	}
}
