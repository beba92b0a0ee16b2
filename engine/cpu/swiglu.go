package cpu

// This file holds the SwiGLU stage.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
)

// swiglu computes silu(gate)·up from rows of gate and up next to each other.
func (b *builder) swiglu(name string, x *gorgonia.Node) (*gorgonia.Node, error) {
	n, wide := x.Shape()[0], x.Shape()[1]/2
	y := b.keep(name, n*wide)
	s := stage{name: name, out: dense(y, n, wide)}
	s.forward = func(v [][]float32) (gorgonia.Value, error) {
		b.team.split(n, 1, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				x := row(v[0], i, 2*wide)
				kernel.SwiGLU(row(y, i, wide), x[:wide], x[wide:])
			}
		})
		return s.out, nil
	}
	if b.train {
		dx := b.dgateup
		s.grads = append(s.grads, dense(dx, n, 2*wide))
		s.backward = func(v [][]float32, dy []float32) {
			b.team.split(n, 1, func(_, lo, hi int) {
				for i := lo; i < hi; i++ {
					x, d := row(v[0], i, 2*wide), row(dx, i, 2*wide)
					kernel.SwiGLUBack(d[:wide], d[wide:], row(dy, i, wide), x[:wide], x[wide:])
				}
			})
		}
	}
	return s.apply(x)
}
