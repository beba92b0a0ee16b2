package cpu

// This file holds the linear stage, with or without bias and residual.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
	"lode/engine/model"
)

// biasRows are worth a part of a split.
const biasRows = 64

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
	if l.skip != nil || l.bias != nil {
		l.team.split(l.n, biasRows, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				l.begin(row(l.y, i, out), i, v)
			}
		})
	}
	y, x, w := kernel.Dense(l.y, l.n, out), kernel.Dense(v[0], l.n, in), kernel.Dense(v[1], out, in)
	l.team.multiply(y, x, w.T(), l.skip != nil || l.bias != nil)
}

// begin sets row i of the result to what the product is added to.
func (l *linear) begin(y []float32, i int, v [][]float32) {
	if l.skip == nil {
		copy(y, v[2])
		return
	}
	copy(y, row(l.skip, i, len(y)))
	if l.bias != nil {
		kernel.Axpy(y, 1, v[2])
	}
}

// backward sets dx = dy·w and, of what is trained, dw = dyᵀ·x and dbias, the sum of
// the rows of dy.
func (l *linear) backward(v [][]float32, dy []float32) {
	in, out := l.w.cols, l.w.rows
	x, w, dys := kernel.Dense(v[0], l.n, in), kernel.Dense(v[1], out, in), kernel.Dense(dy, l.n, out)
	if l.dx != nil {
		l.team.multiply(kernel.Dense(l.dx, l.n, in), dys, w, false)
	}
	for _, s := range l.w.trained {
		l.team.multiply(kernel.Dense(l.w.grad, out, in).Sub(s.Lo, s.Hi), dys.T().Sub(s.Lo, s.Hi), x, false)
	}
	if l.bias != nil {
		for _, s := range l.bias.trained {
			l.team.split(s.Hi-s.Lo, tileRows, func(_, lo, hi int) {
				addRows(l.bias.grad[s.Lo+lo:s.Lo+hi], dy[s.Lo+lo:], out, l.n)
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
