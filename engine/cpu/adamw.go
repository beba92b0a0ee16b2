package cpu

// This file holds the optimizer's step: AdamW's, and which tensors have another.

import (
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/kernel"
	"lode/tensor"
)

// update takes one step along the gradient in the engine.
func (e *Engine) update(h engine.Hyper) error {
	e.team.begin()
	defer e.team.end()
	length := norm(e.grads) // what is frozen adds zeros
	if math.IsNaN(length) || math.IsInf(length, 0) {
		return fmt.Errorf("cpu: the gradient's norm is %v: %w", length, engine.ErrNotFinite)
	}
	e.adam.Steps++
	t := float64(e.adam.Steps)
	s := kernel.AdamStep{
		Scale: 1, Eps: h.Epsilon,
		Keep1: h.Beta1, Take1: 1 - h.Beta1, Keep2: h.Beta2, Take2: 1 - h.Beta2,
		Rate:  float32(float64(h.Rate) / (1 - math.Pow(float64(h.Beta1), t))),
		Unit2: float32(1 / (1 - math.Pow(float64(h.Beta2), t))),
	}
	if limit := float64(h.ClipNorm); limit > 0 && length > limit {
		s.Scale = float32(limit / length)
	}
	first, second := e.adam.First, e.adam.Second
	for t, frozen := range e.frozen {
		if frozen {
			continue
		}
		spec, lo := e.layout.Spec(t), e.layout.Offset(t)
		if s.Decay = 0; e.decays[t] {
			s.Decay = h.Rate * h.WeightDecay
		}
		n := spec.Len()
		w, g, m1, m2 := e.params[lo:lo+n], e.grads[lo:lo+n], first[:n], second[:n]
		first, second = first[n:], second[n:]
		if h.Muon && e.trace.Weights[t].Hidden {
			e.muonStep(kernel.Dense(w, spec.Shape[0], n/spec.Shape[0]), g, m1, pace{s.Scale, h.Rate, s.Decay})
			continue
		}
		step := s
		e.team.split(n, tensor.ChunkLen, func(_, a, z int) {
			kernel.AdamW(w[a:z], g[a:z], m1[a:z], m2[a:z], &step)
		})
	}
	return nil
}
