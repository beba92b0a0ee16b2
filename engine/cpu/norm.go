package cpu

// This file holds the RMSNorm stage.

import (
	"lode/engine/kernel"
	"lode/engine/model"
)

// normRows is how many rows add up their weight gradients before the partial
// sums are added, whatever the number of threads.
const normRows = 64

// RMSNorm implements model.Builder.
func (b *builder) RMSNorm(name string, of model.Value, eps float64) model.Value {
	w, x, y := b.weight(name+".weight", 1), b.values[of], b.next()
	n, dim, r := b.n(), x.width, b.keep("roots", b.n())
	s := stage{name: name}
	s.forward = func(v [][]float32) {
		b.team.split(n, normRows, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				r[i] = kernel.Norm(row(y.data, i, dim), row(v[0], i, dim), v[1], float32(eps))
			}
		})
	}
	s.differentiate(x.gradient(), w.gradient())
	var partial []float32
	if b.train {
		partial = make([]float32, (n+normRows-1)/normRows*dim)
	}
	s.backward = func(v [][]float32, dy []float32) {
		if !b.values[of].added {
			clear(x.grad)
		}
		clear(partial)
		b.team.split(n, normRows, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				kernel.NormBack(row(x.grad, i, dim), row(partial, i/normRows, dim), row(dy, i, dim), row(v[0], i, dim), v[1], r[i])
			}
		})
		if w.grad == nil {
			return
		}
		clear(w.grad)
		for p := 0; p < len(partial); p += dim {
			kernel.Axpy(w.grad, 1, partial[p:p+dim])
		}
	}
	return b.add(y, s, x.node, w.node)
}

// row returns row i of a matrix that is wide values wide.
func row(m []float32, i, wide int) []float32 { return m[i*wide : (i+1)*wide : (i+1)*wide] }
