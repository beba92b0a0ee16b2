package cpu

// This file holds how a batch is worked through in parts.

import (
	"iter"

	"lode/engine"
	"lode/engine/kernel"
	"lode/tensor"
)

// accumulate is pass for a batch with more rows than are taken at once.
func (e *Engine) accumulate(b engine.Batch, train bool) (float64, error) {
	if train && e.sum == nil {
		e.sum = make([]float32, len(e.grads))
	}
	mean, done := 0.0, 0
	for part := range e.parts(b) {
		loss, err := e.pass(part, train)
		if err != nil {
			return 0, err
		}
		share := float64(part.Rows) / float64(b.Rows)
		mean += share * loss
		if train {
			e.gather(float32(share), done > 0, done+part.Rows == b.Rows)
		}
		done += part.Rows
	}
	return mean, nil
}

// parts yields the rows of b in order, as many at once as are taken, in parts of about
// the same length.
func (e *Engine) parts(b engine.Batch) iter.Seq[engine.Batch] {
	return func(yield func(engine.Batch) bool) {
		num := 1
		if e.microRows > 0 {
			num = (b.Rows + e.microRows - 1) / e.microRows
		}
		rows := (b.Rows + num - 1) / num
		for lo := 0; lo < b.Rows; lo += rows {
			if !yield(b.Part(lo, min(lo+rows, b.Rows))) {
				return
			}
		}
	}
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
