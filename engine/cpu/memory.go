package cpu

// This file says which values share memory.
//
// A value lives from the stage that makes it to the last stage that uses it; its
// gradient from the backward pass of that last one to that of the first. So those
// whose lives do not meet can lie in one slot: the gradients in training, where
// values must last, and the values where there is no backward pass.
//
// In x + f(norm(x)) the value x is used twice, and gorgonia would add the two
// gradients of x in a tensor of its own, every step. Here the graph knows only the
// path through norm and f; the other path is a slot that x and the sum share:
//
//   - Forward, the stage that adds reads x where norm found it. The chain through f
//     orders the two.
//   - Backward, that stage leaves the gradient of its result where it lies, which
//     is that of x along the direct path; norm, which the chain runs later, adds its
//     own.
//
// So the graph is a chain and its order is fixed.

import (
	"lode/engine/kernel"
	"lode/engine/model"
)

// slots are the memory that values share.
type slots struct {
	memory [][]float32
	number []int // of each value
}

// newSlots makes the slots of a graph with n positions.
func newSlots(t *model.Trace, n int) slots {
	of, widths := t.Slots()
	s := slots{number: of}
	for _, w := range widths {
		s.memory = append(s.memory, make([]float32, n*w))
	}
	return s
}

// of returns the slot of a value, which may be longer than the value.
func (s slots) of(v model.Value) []float32 { return s.memory[s.number[v]] }

// setting makes of a backward pass that sets the gradient of a value one that adds
// to it, where the stage that adds the value has left its share.
func (b *builder) setting(of model.Value, back func(in [][]float32, dy []float32)) func(in [][]float32, dy []float32) {
	return func(in [][]float32, dy []float32) {
		v := b.values[of]
		if !v.added {
			back(in, dy)
			return
		}
		share := b.share("share of a residual", len(v.grad))
		copy(share, v.grad)
		back(in, dy)
		kernel.Axpy(v.grad, 1, share)
	}
}
