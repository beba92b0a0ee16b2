package enginetest

// This file holds the models and batches of the kit.

import (
	"math/rand/v2"

	"lode/engine"
	"lode/engine/model"
)

// models returns small architectures that differ in what engines get wrong: tying,
// grouped heads, sizes that fit no register, windows that leave an edge over.
func models() map[string]model.Model {
	m := model.Llama{Dim: 24, Layers: 2, Heads: 4, KVHeads: 4, FFN: 40, Vocab: 32, Context: 80, RopeTheta: 10000, NormEps: 1e-5, Tied: true}
	grouped := m
	grouped.Heads, grouped.KVHeads, grouped.Dim, grouped.FFN, grouped.Vocab, grouped.Tied = 6, 2, 36, 37, 29, false
	shared := m
	shared.Heads, shared.KVHeads, shared.Layers, shared.RopeTheta = 2, 1, 1, 500
	return map[string]model.Model{
		"tied": m, "grouped": grouped, "one key head": shared,
		"perceptron": model.MLP{Input: []int{13}, Hidden: []int{37, 24}, Activation: model.ReLU, Classes: 5},
		"table":      model.MLP{Input: []int{11}, Hidden: []int{29}, Activation: model.GELU, Outputs: 1},
		"vectors":    model.MLP{Input: []int{2, 3, 3}, Hidden: []int{33}, Activation: model.GELU, Outputs: 3},
		"pictures": model.CNN{
			Input: []int{2, 11, 10}, Filters: []int{5, 7}, Kernel: 3, Padding: 1, Pool: 2, Hidden: []int{17}, Activation: model.ReLU, Classes: 4,
		},
		"soft pictures": model.CNN{
			Input: []int{1, 9, 12}, Filters: []int{6}, Kernel: 4, Pool: 3, Mean: true, Activation: model.GELU, Classes: 6,
		},
	}
}

// wider returns a model of the same family whose tensors have the same names.
func wider(m model.Model) model.Model {
	switch m := m.(type) {
	case model.Llama:
		m.FFN++
		return m
	case model.MLP:
		m.Hidden = append([]int{m.Hidden[0] + 1}, m.Hidden[1:]...)
		return m
	case model.CNN:
		m.Filters = append([]int{m.Filters[0] + 1}, m.Filters[1:]...)
		return m
	}
	panic("enginetest: no wider model of family " + m.Family())
}

// Batch returns a batch that m takes and that can be learnt. Of text it is rows of so
// many steps, in which each id decides the next up to a little noise. Of examples it is
// as many rows as steps in all, in which class or reals decide what is seen, up to
// noise.
func Batch(r *rand.Rand, m model.Model, rows, steps int) engine.Batch {
	inputs, targets := m.Takes()
	if !inputs.Series {
		return examples(r, rows*steps, inputs, targets)
	}
	var in, out []int32
	id := r.IntN(inputs.Limit)
	for range rows * steps {
		in = append(in, int32(id))
		id = (3*id + 1 + r.IntN(3)) % inputs.Limit
		out = append(out, int32(id))
	}
	return engine.Tokens(rows, steps, in, out)
}

// examples returns rows of reals. The same class or reals look alike in all batches.
func examples(r *rand.Rand, rows int, inputs, targets engine.Port) engine.Batch {
	b := engine.Batch{Rows: rows, Inputs: engine.Array{Shape: inputs.Shape}, Targets: engine.Array{Shape: targets.Shape}}
	in, out := size(inputs), size(targets)
	looks := rand.New(rand.NewPCG(7, 7))
	weights := make([]float64, in*max(out, targets.Limit))
	shade := 0.0 // of a whole look, which pools of means do not lose
	for i := range weights {
		if i%in == 0 {
			shade = looks.NormFloat64()
		}
		weights[i] = shade + looks.NormFloat64()
	}
	for range rows {
		seen := make([]float64, in)
		for o := range out {
			factor, at := 1.0, o
			if targets.Limit > 0 {
				at = r.IntN(targets.Limit)
				b.Targets.IDs = append(b.Targets.IDs, int32(at))
			} else {
				factor = r.NormFloat64()
				b.Targets.Reals = append(b.Targets.Reals, float32(factor))
			}
			add(seen, factor, weights[at*in:(at+1)*in])
		}
		for _, v := range seen {
			b.Inputs.Reals = append(b.Inputs.Reals, float32(v+0.3*r.NormFloat64()))
		}
	}
	return b
}

// size returns how many values a row has at a port.
func size(p engine.Port) int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}
