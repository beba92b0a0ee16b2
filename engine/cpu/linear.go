package cpu

// This file holds the linear stage, with or without bias and residual.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
	"lode/engine/model"
)

// tileRows keeps the ranges of a split at multiples of a matrix tile.
const tileRows = 24

// linear is x·wᵀ + bias + skip, of n rows.
type linear struct {
	*builder
	n    int
	w    *weight
	bias *weight // nil: there is none
	skip []float32
	y    []float32
	dx   []float32 // nil: x has no gradient
}

// Linear implements model.Builder. The gradient of what is added is that of the
// result and stays where it is, see memory.go.
func (b *builder) Linear(of model.Value, m model.Linear) model.Value {
	x, y := b.values[of], b.next()
	l := linear{builder: b, n: b.n(), w: b.weight(m.Parts[0].Name+".weight", len(m.Parts)), y: y.data, dx: x.grad}
	if m.Add != model.None {
		l.skip, b.values[m.Add].added = b.values[m.Add].data, true
	}
	s := stage{name: m.Parts[0].Name}
	in := []*gorgonia.Node{x.node, l.w.node}
	s.differentiate(x.gradient(), l.w.gradient())
	if m.Bias {
		l.bias = b.weight(m.Parts[0].Name+".bias", len(m.Parts))
		in = append(in, l.bias.node)
		s.differentiate(x.gradient(), l.w.gradient(), l.bias.gradient())
	}
	s.forward = l.forward
	s.backward = b.setting(of, l.backward)
	return b.add(y, s, in...)
}

func (l *linear) forward(v [][]float32) {
	in, out := l.w.cols, l.w.rows
	l.team.split(l.n, tileRows, func(_, lo, hi int) {
		weights := kernel.Dense(v[1], out, in).T()
		rows, to := kernel.Dense(v[0], l.n, in).Sub(lo, hi), kernel.Dense(l.y, l.n, out).Sub(lo, hi)
		if l.skip == nil {
			kernel.Mul(to, rows, weights)
		} else {
			copy(l.y[lo*out:hi*out], l.skip[lo*out:hi*out])
			kernel.MulAdd(to, rows, weights)
		}
		for i := lo; l.bias != nil && i < hi; i++ {
			kernel.Axpy(row(l.y, i, out), 1, v[2])
		}
	})
}

// backward sets dx = dy·w and, of what is trained, dw = dyᵀ·x and dbias, the sum of
// the rows of dy.
func (l *linear) backward(v [][]float32, dy []float32) {
	in, out := l.w.cols, l.w.rows
	x, w := v[0], v[1]
	if l.dx != nil {
		l.team.split(l.n, tileRows, func(_, lo, hi int) {
			kernel.Mul(kernel.Dense(l.dx, l.n, in).Sub(lo, hi), kernel.Dense(dy, l.n, out).Sub(lo, hi), kernel.Dense(w, out, in))
		})
	}
	for _, s := range l.w.trained {
		l.team.split(s.hi-s.lo, tileRows, func(_, lo, hi int) {
			lo, hi = s.lo+lo, s.lo+hi
			kernel.Mul(kernel.Dense(l.w.grad, out, in).Sub(lo, hi), kernel.Dense(dy, l.n, out).T().Sub(lo, hi), kernel.Dense(x, l.n, in))
		})
	}
	if l.bias != nil {
		for _, s := range l.bias.trained {
			l.team.split(s.hi-s.lo, tileRows, func(_, lo, hi int) {
				addRows(l.bias.grad[s.lo+lo:s.lo+hi], dy[s.lo+lo:], out, l.n)
			})
		}
	}
}

// addRows sets sum to the sum of n rows, each of which begins wide values after
// the one before.
func addRows(sum, rows []float32, wide, n int) {
	clear(sum)
	for i := range n {
		kernel.Axpy(sum, 1, rows[i*wide:][:len(sum)])
	}
}
