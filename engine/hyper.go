package engine

// This file holds the settings of one optimizer step.

import (
	"fmt"
	"math"
)

// Hyper are the settings of one AdamW step (Loshchilov and Hutter,
// arXiv:1711.05101, algorithm 2, with the decay multiplied by Rate). A zero
// Beta1, Beta2 or Epsilon means its default. Decay touches tensors of two or
// more dimensions only, never norms or biases, and of them none that the engine was
// told to leave alone when it was opened.
//
// With Muon set, the matrices that [lode/engine/model.Hidden] names take another
// step, with the same rate and decay and none of the betas: Nesterov momentum of
// 0.95, made orthogonal by five Newton–Schulz rounds (K. Jordan and others, "Muon",
// 2024), times 0.2·√(longer side) (arXiv:2502.16982, section 2.2). All steps of
// one engine should agree about Muon: a matrix that takes an AdamW step after
// Muon's has no second moment yet and moves too far.
type Hyper struct {
	Rate        float32 // learning rate, ≥ 0; zero moves nothing but the moments
	Beta1       float32 // decay of the first moment, in [0, 1); default 0.9
	Beta2       float32 // decay of the second moment, in [0, 1); default 0.95
	Epsilon     float32 // added to the root of the second moment; default 1e-8
	WeightDecay float32 // decoupled decay per unit of Rate, ≥ 0; zero is off
	ClipNorm    float32 // gradient norm above which the gradient is scaled down; zero is off
	Muon        bool    // hidden matrices take Muon steps
}

// Resolve fills in the defaults and reports every setting that is out of range.
func (h Hyper) Resolve() (Hyper, error) {
	h.Beta1 = orDefault(h.Beta1, 0.9)
	h.Beta2 = orDefault(h.Beta2, 0.95)
	h.Epsilon = orDefault(h.Epsilon, 1e-8)
	for _, f := range []struct {
		name  string
		value float32
		below float64
	}{
		{"rate", h.Rate, math.Inf(1)},
		{"beta1", h.Beta1, 1},
		{"beta2", h.Beta2, 1},
		{"epsilon", h.Epsilon, math.Inf(1)},
		{"weight decay", h.WeightDecay, math.Inf(1)},
		{"clip norm", h.ClipNorm, math.Inf(1)},
	} {
		if v := float64(f.value); !(v >= 0 && v < f.below) {
			return h, fmt.Errorf("hyper: %s is %v, want at least 0 and below %v", f.name, f.value, f.below)
		}
	}
	return h, nil
}

func orDefault(v, d float32) float32 {
	if v == 0 {
		return d
	}
	return v
}
