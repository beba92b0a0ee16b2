package enginetest

// This file holds the models and batches of the kit.

import (
	"math/rand/v2"

	"lode/engine"
	"lode/engine/model"
)

// models returns small architectures that differ in what engines get wrong:
// tying, grouped heads, sizes that fit no register.
func models() map[string]model.Model {
	m := model.Llama{Dim: 24, Layers: 2, Heads: 4, KVHeads: 4, FFN: 40, Vocab: 32, Context: 80, RopeTheta: 10000, NormEps: 1e-5, Tied: true}
	grouped := m
	grouped.Heads, grouped.KVHeads, grouped.Dim, grouped.FFN, grouped.Vocab, grouped.Tied = 6, 2, 36, 37, 29, false
	shared := m
	shared.Heads, shared.KVHeads, shared.Layers, shared.RopeTheta = 2, 1, 1, 500
	return map[string]model.Model{"tied": m, "grouped": grouped, "one key head": shared}
}

// wider returns a model of the same family whose tensors have the same names.
func wider(m model.Model) model.Model {
	switch m := m.(type) {
	case model.Llama:
		m.FFN++
		return m
	}
	panic("enginetest: no wider model of family " + m.Family())
}

// Batch returns a batch of a language that can be learnt: each id decides the
// next up to a little noise.
func Batch(r *rand.Rand, m model.Model, rows, steps int) engine.Batch {
	port, _ := m.Takes()
	var inputs, targets []int32
	id := r.IntN(port.Limit)
	for range rows * steps {
		inputs = append(inputs, int32(id))
		id = (3*id + 1 + r.IntN(3)) % port.Limit
		targets = append(targets, int32(id))
	}
	return engine.Tokens(rows, steps, inputs, targets)
}
