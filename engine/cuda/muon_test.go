package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/model"
)

// times is the product of rows × inner and inner × cols values.
func times(a, b []float64, inner, cols int) []float64 {
	c := make([]float64, len(a)/inner*cols)
	for i := range len(a) / inner {
		for k := range inner {
			addTo(c[i*cols:][:cols], a[i*inner+k], b[k*cols:][:cols])
		}
	}
	return c
}

// turned is the transpose of rows of cols values.
func turned(a []float64, cols int) []float64 {
	b, rows := make([]float64, len(a)), len(a)/cols
	for i, v := range a {
		b[i%cols*rows+i/cols] = v
	}
	return b
}

// orthogonal is Algorithm 2 of K. Jordan's "Muon", 2024, in float64.
func orthogonal(x []float64, cols int) []float64 {
	rows := len(x) / cols
	if rows > cols {
		return turned(orthogonal(turned(x, cols), rows), rows)
	}
	next := make([]float64, len(x))
	addTo(next, 1/(math.Sqrt(dotOf(x, x))+muonEps), x)
	for range engine.MuonRounds {
		x, next = next, make([]float64, len(x))
		a := times(x, turned(x, cols), cols, rows)
		ax := times(a, x, rows, cols)
		addTo(next, engine.MuonA, x)
		addTo(next, engine.MuonB, ax)
		addTo(next, engine.MuonC, times(a, ax, rows, cols))
	}
	return next
}

// TestMuon takes two steps along drawn gradients. In bf16 the orthogonal matrices, of values of
// eight bits that are multiplied fifteen times, are within 4 % of the oracle's norm.
func TestMuon(t *testing.T) {
	m := model.MLP{Input: []int{3}, Hidden: []int{7, 33, 5, 40, 40, 1, 6}, Activation: model.ReLU, Classes: 3}
	for half, tolerance := range map[bool]float64{false: 2e-6, true: 4e-2} {
		t.Run(fmt.Sprintf("bf16 %v", half), func(t *testing.T) {
			e, err := on(t, cudatest.Use(t, cudatest.Kernels(), ""), m, Options{Half: half, Muon: true})
			if err != nil {
				t.Fatal(err)
			}
			n, g, r := e.layout.Len(), e.program, rand.New(rand.NewPCG(1, 1))
			grad, first, w := make([]float64, n), make([]float64, n), make([]float64, n)
			h := engine.Hyper{Rate: 0.5, WeightDecay: 0.25, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, Muon: true}
			for number := uint64(1); number <= 2; number++ {
				for i := range grad {
					grad[i] = float64(float32(r.NormFloat64()))
				}
				e.put(t, g.grads, grad)
				e.put(t, g.total, []float64{0, 0})
				e.must(t, func() error {
					if err := e.uploadBytes(g.hyper.at(0), hyperOf(h, number)); err != nil {
						return err
					}
					return e.update(true)
				})
				got, seen := e.get(t, g.params, n), 0
				for i, s := range e.trace.Weights {
					lo, hi := e.layout.Offset(i), e.layout.Offset(i)+s.Len()
					if !s.Hidden || len(s.Shape) < 2 {
						copy(w[lo:hi], got[lo:hi])
						continue
					}
					seen++
					look := make([]float64, s.Len())
					for k, v := range grad[lo:hi] {
						first[lo+k] = engine.MuonMomentum*first[lo+k] + (1-engine.MuonMomentum)*v
						look[k] = engine.MuonMomentum*first[lo+k] + (1-engine.MuonMomentum)*v
					}
					step := orthogonal(look, s.Shape[1])
					before := append([]float64(nil), w[lo:hi]...)
					for k := range step {
						w[lo+k] *= 1 - 0.5*0.25
					}
					addTo(w[lo:hi], -0.5*engine.MuonScale*math.Sqrt(float64(max(s.Shape[0], s.Shape[1]))), step)
					moved, want := got[lo:hi], append([]float64(nil), w[lo:hi]...)
					addTo(moved, -1, before)
					addTo(want, -1, before)
					far := distance(moved, want)
					if !(far <= tolerance) {
						t.Errorf("step %d of a matrix of %v: off by %.2g of its norm", number, s.Shape, far)
					}
				}
				if seen < 5 {
					t.Fatalf("%d matrices", seen)
				}
				w = e.get(t, g.params, n)
			}
		})
	}
}
