package cpu

// This file holds the linear stage, with or without a residual.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
)

// tileRows keeps the ranges of a split at multiples of a matrix tile.
const tileRows = 24

// linear computes x·wᵀ, plus skip if that is not nil. The gradient of skip is
// that of the result and stays where it is: see residual.go.
func (b *builder) linear(name string, x, w *gorgonia.Node, skip []float32, dx []float32) (*gorgonia.Node, []float32, error) {
	n, in, out := x.Shape()[0], w.Shape()[1], w.Shape()[0]
	y := b.keep(name, n*out)
	s := stage{name: name, out: dense(y, n, out)}
	s.forward = func(v [][]float32) (gorgonia.Value, error) {
		b.team.split(n, tileRows, func(_, lo, hi int) {
			weights := kernel.Dense(v[1], out, in).T()
			rows, to := kernel.Dense(v[0], n, in).Sub(lo, hi), kernel.Dense(y, n, out).Sub(lo, hi)
			if skip == nil {
				kernel.Mul(to, rows, weights)
				return
			}
			copy(y[lo*out:hi*out], skip[lo*out:hi*out])
			kernel.MulAdd(to, rows, weights)
		})
		return s.out, nil
	}
	if b.train {
		dw := b.grad[w]
		s.grads = append(s.grads, dense(dx, n, in), nil)
		if dw.values != nil {
			s.grads[1] = dense(dw.values, out, in)
		}
		s.backward = func(v [][]float32, dy []float32) { linearBack(b.team, dx, dw, v[0], v[1], dy, n) }
	}
	node, err := s.apply(x, w)
	return node, y, err
}

// linearBack sets dx = dy·w and, where it is trained, dw = dyᵀ·x.
func linearBack(t team, dx []float32, dw weightGrad, x, w, dy []float32, n int) {
	in, out := len(dx)/n, len(dy)/n
	t.split(n, tileRows, func(_, lo, hi int) {
		kernel.Mul(kernel.Dense(dx, n, in).Sub(lo, hi), kernel.Dense(dy, n, out).Sub(lo, hi), kernel.Dense(w, out, in))
	})
	for _, s := range dw.trained {
		t.split(s.hi-s.lo, tileRows, func(_, lo, hi int) {
			lo, hi = s.lo+lo, s.lo+hi
			kernel.Mul(kernel.Dense(dw.values, out, in).Sub(lo, hi), kernel.Dense(dy, n, out).T().Sub(lo, hi), kernel.Dense(x, n, in))
		})
	}
}
