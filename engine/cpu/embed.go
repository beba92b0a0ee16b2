package cpu

// This file holds the embedding stage.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
)

// embed looks up the row of w for each token id. Backward, which runs last of
// all, adds to the gradient of w, where a tied head has already left its share.
func (b *builder) embed(tokens, w *gorgonia.Node, ids []int32) (*gorgonia.Node, []float32, error) {
	n, dim := len(ids), w.Shape()[1]
	y := b.keep("residual", n*dim)
	s := stage{name: "embed", out: dense(y, n, dim)}
	s.forward = func(v [][]float32) (gorgonia.Value, error) {
		for i, id := range ids {
			copy(row(y, i, dim), row(v[1], int(id), dim))
		}
		return s.out, nil
	}
	if b.train {
		s.grads = append(s.grads, nil, nil)
	}
	if dw := b.grad[w].values; b.train && dw != nil {
		s.grads[1] = dense(dw, w.Shape()[0], dim)
		s.backward = func(_ [][]float32, dy []float32) {
			if !b.arch.Tied {
				clear(dw)
			}
			for i, id := range ids {
				kernel.Axpy(row(dw, int(id), dim), 1, row(dy, i, dim))
			}
		}
	}
	node, err := s.apply(tokens, w)
	return node, y, err
}
