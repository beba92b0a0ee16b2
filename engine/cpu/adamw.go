package cpu

// This file holds the optimizer step.

import (
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/kernel"
	"lode/tensor"
)

// moments is the optimizer's state.
type moments struct {
	steps         uint64
	first, second []float32 // of the trained tensors, one after the other; second ≥ 0
}

func newMoments(n int) moments {
	return moments{first: make([]float32, n), second: make([]float32, n)}
}

// update takes one AdamW step along the gradient in the engine.
func (e *Engine) update(h engine.Hyper) error {
	norm := e.gradientNorm()
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return fmt.Errorf("cpu: gradient norm is %v", norm)
	}
	e.adam.steps++
	t := float64(e.adam.steps)
	s := kernel.AdamStep{
		Scale: 1, Eps: h.Epsilon,
		Keep1: h.Beta1, Take1: 1 - h.Beta1, Keep2: h.Beta2, Take2: 1 - h.Beta2,
		Rate:  float32(float64(h.Rate) / (1 - math.Pow(float64(h.Beta1), t))),
		Unit2: float32(1 / (1 - math.Pow(float64(h.Beta2), t))),
	}
	if limit := float64(h.ClipNorm); limit > 0 && norm > limit {
		s.Scale = float32(limit / norm)
	}
	first, second := e.adam.first, e.adam.second
	for t, frozen := range e.frozen {
		if frozen {
			continue
		}
		if s.Decay = 0; len(e.layout.Spec(t).Shape) > 1 {
			s.Decay = h.Rate * h.WeightDecay
		}
		lo, n := e.layout.Offset(t), e.layout.Spec(t).Len()
		m1, m2, step := first[:n], second[:n], s
		e.team.split(n, tensor.ChunkLen, func(_, a, z int) {
			kernel.AdamW(e.params[lo+a:lo+z], e.grads[lo+a:lo+z], m1[a:z], m2[a:z], &step)
		})
		first, second = first[n:], second[n:]
	}
	return nil
}

// gradientNorm returns the Euclidean norm of the whole gradient, summed chunk by
// chunk in order; what is frozen adds zeros.
func (e *Engine) gradientNorm() float64 {
	sum := 0.0
	for lo := 0; lo < len(e.grads); lo += tensor.ChunkLen {
		g := e.grads[lo:min(lo+tensor.ChunkLen, len(e.grads))]
		sum += float64(kernel.Dot(g, g))
	}
	return math.Sqrt(sum)
}
