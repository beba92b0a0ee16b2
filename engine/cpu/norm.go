package cpu

// This file holds the RMSNorm stage.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
)

// normRows is how many rows add up their weight gradients before the partial
// sums are added, whatever the number of threads.
const normRows = 64

// norm computes RMSNorm of x. Backward adds to the residual
// gradient b.dres, except for the last norm of the model, which sets it.
func (b *builder) norm(name string, x, w *gorgonia.Node, last bool) (*gorgonia.Node, error) {
	n, dim := x.Shape()[0], x.Shape()[1]
	y, r := b.keep(name, n*dim), b.keep(name+" root", n)
	eps := float32(b.arch.NormEps)
	s := stage{name: name, out: dense(y, n, dim)}
	s.forward = func(v [][]float32) (gorgonia.Value, error) {
		b.team.split(n, normRows, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				r[i] = kernel.Norm(row(y, i, dim), row(v[0], i, dim), v[1], eps)
			}
		})
		return s.out, nil
	}
	if b.train {
		dw := b.grad[w].values
		partial := make([]float32, (n+normRows-1)/normRows*dim)
		s.grads = append(s.grads, dense(b.dres, n, dim), nil)
		if dw != nil {
			s.grads[1] = vector(dw)
		}
		s.backward = func(v [][]float32, dy []float32) {
			if last {
				clear(b.dres)
			}
			clear(partial)
			b.team.split(n, normRows, func(_, lo, hi int) {
				for i := lo; i < hi; i++ {
					kernel.NormBack(row(b.dres, i, dim), row(partial, i/normRows, dim), row(dy, i, dim), row(v[0], i, dim), v[1], r[i])
				}
			})
			if dw == nil {
				return
			}
			clear(dw)
			for p := 0; p < len(partial); p += dim {
				kernel.Axpy(dw, 1, partial[p:p+dim])
			}
		}
	}
	return s.apply(x, w)
}

// row returns row i of a matrix that is wide values wide.
func row(m []float32, i, wide int) []float32 { return m[i*wide : (i+1)*wide : (i+1)*wide] }
