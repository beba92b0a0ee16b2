package cpu

// This file holds how a batch is worked through in parts.

import (
	"lode/engine"
	"lode/engine/kernel"
	"lode/tensor"
)

// accumulate is pass for a batch with more rows than are taken at once.
func (e *Engine) accumulate(b engine.Batch, train bool) (float64, error) {
	parts := (b.Rows + e.microRows - 1) / e.microRows
	rows := (b.Rows + parts - 1) / parts
	if train && e.sum == nil {
		e.sum = make([]float32, len(e.grads))
	}
	mean := 0.0
	for lo := 0; lo < b.Rows; lo += rows {
		hi := min(lo+rows, b.Rows)
		loss, err := e.pass(b.Part(lo, hi), train)
		if err != nil {
			return 0, err
		}
		share := float64(hi-lo) / float64(b.Rows)
		mean += share * loss
		if train {
			e.gather(float32(share), lo > 0, hi == b.Rows)
		}
	}
	return mean, nil
}

// gather adds the gradient of a part to the sum, and the sum of the others to that of
// the last part.
func (e *Engine) gather(share float32, add, last bool) {
	e.team.split(len(e.grads), tensor.ChunkLen, func(_, lo, hi int) {
		g, sum := e.grads[lo:hi], e.sum[lo:hi]
		switch {
		case last:
			kernel.Scale(g, share)
			kernel.Axpy(g, 1, sum)
		case add:
			kernel.Axpy(sum, share, g)
		default:
			copy(sum, g)
			kernel.Scale(sum, share)
		}
	})
}
