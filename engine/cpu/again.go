package cpu

// This file says which values are computed again in the backward pass instead of
// being kept (Chen and others, "Training deep nets with sublinear memory cost",
// arXiv:1604.06174).
//
// In x + f(norm(x)) the values between x and the sum are a segment. With
// Options.Recompute those of all segments share memory; before the sum's backward
// pass, the stages of its segment run once more, from x, which is kept. They make the
// same bits. A model without residuals has no segments.

import (
	"fmt"

	"lode/engine/model"
)

// segment is the forward passes of stages whose results are not kept.
type segment struct {
	runs []func()
}

// inside tells whether a value lies in a segment.
func (b *builder) inside(at model.Value) bool {
	return b.recompute && b.train && b.segments[at].Place > 0
}

// passing returns memory for n numbers of a value inside a segment.
func (b *builder) passing(n int) []float32 {
	return b.share(fmt.Sprintf("value %d of a segment, %d", b.segments[len(b.values)].Place, n), n)
}

// again makes of the stage of a value one that takes part in its segment.
func (b *builder) again(at model.Value, s stage) stage {
	switch {
	case b.inside(at):
		forward, in := s.forward, [][]float32(nil)
		s.forward = func(v [][]float32) {
			in = v
			forward(v)
		}
		b.segment.runs = append(b.segment.runs, func() { forward(in) })
	case b.recompute && b.segments[at].Closes:
		it, backward := b.segment, s.backward
		s.backward = func(v [][]float32, dy []float32) {
			for _, run := range it.runs {
				run()
			}
			backward(v, dy)
		}
		b.last, b.segment = it, new(segment)
	}
	return s
}
