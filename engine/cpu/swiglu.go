package cpu

// This file holds the SwiGLU stage.

import (
	"lode/engine/kernel"
	"lode/engine/model"
)

// SwiGLU implements model.Builder.
func (b *builder) SwiGLU(of model.Value) model.Value {
	x, y := b.values[of], b.next()
	n, wide := y.rows, y.width
	s := stage{name: "swiglu"}
	s.forward = func(v [][]float32) {
		b.team.split(n, 1, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				x := row(v[0], i, 2*wide)
				kernel.SwiGLU(row(y.data, i, wide), x[:wide], x[wide:])
			}
		})
	}
	s.differentiate(x.gradient())
	s.backward = b.setting(of, func(v [][]float32, dy []float32) {
		b.team.split(n, 1, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				x, d := row(v[0], i, 2*wide), row(x.grad, i, 2*wide)
				kernel.SwiGLUBack(d[:wide], d[wide:], row(dy, i, wide), x[:wide], x[wide:])
			}
		})
	})
	return b.add(y, s, x.node)
}
