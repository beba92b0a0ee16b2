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
	s := slots{number: make([]int, len(t.Values))}
	var width []int
	var free []model.Value // by slot: the last use of what is in it
	for v := model.Value(1); int(v) < len(t.Values); v++ {
		r := t.Values[v]
		if r.Given { // it lies where the batch is put
			continue
		}
		at := s.number[r.Over]
		if r.Over == model.None {
			for at = 0; at < len(free) && free[at] >= v; {
				at++
			}
		}
		if at == len(free) {
			free, width = append(free, 0), append(width, 0)
		}
		s.number[v], free[at], width[at] = at, r.Last, max(width[at], r.Width())
	}
	for _, w := range width {
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
