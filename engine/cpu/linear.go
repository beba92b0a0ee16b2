package cpu

// This file holds the linear stage, with or without a residual.

import (
	"lode/engine/kernel"
	"lode/engine/model"
)

// tileRows keeps the ranges of a split at multiples of a matrix tile.
const tileRows = 24

// Linear implements model.Builder. The gradient of what is added is that of the
// result and stays where it is, see memory.go.
func (b *builder) Linear(of model.Value, l model.Linear) model.Value {
	w, x, y := b.weight(l.Parts[0].Name+".weight", len(l.Parts)), b.values[of], b.next()
	n, in, out := b.n(), w.cols, w.rows
	var skip []float32
	if l.Add != model.None {
		skip, b.values[l.Add].added = b.values[l.Add].data, true
	}
	s := stage{name: l.Parts[0].Name}
	s.forward = func(v [][]float32) {
		b.team.split(n, tileRows, func(_, lo, hi int) {
			weights := kernel.Dense(v[1], out, in).T()
			rows, to := kernel.Dense(v[0], n, in).Sub(lo, hi), kernel.Dense(y.data, n, out).Sub(lo, hi)
			if skip == nil {
				kernel.Mul(to, rows, weights)
				return
			}
			copy(y.data[lo*out:hi*out], skip[lo*out:hi*out])
			kernel.MulAdd(to, rows, weights)
		})
	}
	s.differentiate(x.gradient(), w.gradient())
	s.backward = b.setting(of, func(v [][]float32, dy []float32) { linearBack(b.team, x.grad, w, v[0], v[1], dy, n) })
	return b.add(y, s, x.node, w.node)
}

// linearBack sets dx = dy·w and, where it is trained, dw = dyᵀ·x.
func linearBack(t team, dx []float32, of *weight, x, w, dy []float32, n int) {
	in, out := of.cols, of.rows
	t.split(n, tileRows, func(_, lo, hi int) {
		kernel.Mul(kernel.Dense(dx, n, in).Sub(lo, hi), kernel.Dense(dy, n, out).Sub(lo, hi), kernel.Dense(w, out, in))
	})
	for _, s := range of.trained {
		t.split(s.hi-s.lo, tileRows, func(_, lo, hi int) {
			lo, hi = s.lo+lo, s.lo+hi
			kernel.Mul(kernel.Dense(of.grad, out, in).Sub(lo, hi), kernel.Dense(dy, n, out).T().Sub(lo, hi), kernel.Dense(x, n, in))
		})
	}
}
