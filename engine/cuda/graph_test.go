package cuda

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// TestRecorded: passes that are recorded leave the bits of those that are not, whatever
// shapes come between, and take few calls.
func TestRecorded(t *testing.T) {
	m := model.Llama{Dim: 16, Layers: 1, Heads: 2, KVHeads: 1, FFN: 12, Vocab: 11, Context: 16, RopeTheta: 100, NormEps: 1e-5, Tied: true}
	var grads [2]tensor.Flat
	var calls [3]int
	for i, repeats := range []int{3, 1} {
		card := cudatest.Use(t, cudatest.Kernels(), "order=5")
		e, err := on(t, card, m, Options{MicroRows: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(5, 5))
		b, other := enginetest.Batch(r, m, 5, 9), enginetest.Batch(r, m, 3, 9)
		for at := range repeats {
			before := card.Calls()
			if _, err := e.Gradient(b); err != nil {
				t.Fatal(err)
			}
			calls[at] = card.Calls() - before
			for _, other := range []engine.Batch{other, b} {
				if _, err := e.Loss(other); err != nil {
					t.Fatal(err)
				}
			}
		}
		if repeats > 1 {
			if calls[2]*2 > calls[0] || len(e.recorded) > maxRecorded {
				t.Errorf("%v calls for the same gradient, %d recorded", calls, len(e.recorded))
			}
			if _, err := e.Gradient(b); err != nil {
				t.Fatal(err)
			}
		}
		grads[i] = make(tensor.Flat, e.layout.Len())
		if err := tensor.Copy(e.layout, grads[i], e.Grad()); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range grads[0] {
		if math.Float32bits(v) != math.Float32bits(grads[1][i]) {
			t.Fatalf("gradient %d is %v, recorded %v", i, grads[1][i], v)
		}
	}
}

// TestRecompute: where memory is short values are computed again, which changes no bit.
func TestRecompute(t *testing.T) {
	m := model.Llama{Dim: 16, Layers: 6, Heads: 2, KVHeads: 1, FFN: 48, Vocab: 11, Context: 16, RopeTheta: 100, NormEps: 1e-5, Tied: true}
	opt := Options{Loads: []model.Load{{Rows: 40, Steps: 16, Gradient: true}}}
	b := enginetest.Batch(rand.New(rand.NewPCG(5, 5)), m, 3, 9)
	var whole tensor.Flat
	for _, again := range []bool{false, true} {
		e, err := on(t, cudatest.Use(t, cudatest.Kernels(), "order=5"), m, opt)
		if err != nil {
			t.Fatal(err)
		}
		p := e.Plan()
		if p.Recompute != again || p.Positions != 640 || p.Total() > p.Limit || strings.Contains(p.String(), "again") != again {
			t.Errorf("plan %+v: %s", p, p)
		}
		opt.MaxBytes = p.Total() - p.Values/2
		if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Gradient(b); err != nil {
			t.Fatal(err)
		}
		grad := make(tensor.Flat, e.layout.Len())
		if err := tensor.Copy(e.layout, grad, e.Grad()); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		for i, v := range whole {
			if math.Float32bits(v) != math.Float32bits(grad[i]) {
				t.Fatalf("gradient %d is %v, computed again %v", i, v, grad[i])
			}
		}
		whole = grad
	}
}
