package cpu

// This file holds the embedding stage.

import (
	"lode/engine/kernel"
	"lode/engine/model"
)

// Embed implements model.Builder. Backward, which runs last of all, adds to the
// gradient of the weight, where a head that shares it has already left its part.
func (b *builder) Embed(name string, _, dim int) model.Value {
	w, y, ids := b.weight(name+".weight", 1), b.next(), b.graph.inputs.IDs
	s := stage{name: name}
	s.forward = func(v [][]float32) {
		for i, id := range ids {
			copy(row(y.data, i, dim), row(v[1], int(id), dim))
		}
	}
	s.differentiate(nil, w.gradient())
	s.backward = func(_ [][]float32, dy []float32) {
		if w.uses == 1 {
			clear(w.grad)
		}
		for i, id := range ids {
			kernel.Axpy(row(w.grad, int(id), dim), 1, row(dy, i, dim))
		}
	}
	return b.add(y, s, b.given("inputs", b.graph.inputs), w.node)
}
