package measure

// This file holds the models that engines are measured on, and their batches.

import (
	"math/rand/v2"

	"lode/engine"
	"lode/engine/model"
)

// Size is a model and the shape of the batches it is trained on.
type Size struct {
	Name        string
	Model       model.Llama
	Rows, Steps int // of a batch
}

// Sizes returns Llama models from a byte model up to what people run at home. The
// names are rounded; Layout tells.
func Sizes() []Size {
	llama := func(dim, layers, heads, kv, ffn, vocab, context int) model.Llama {
		return model.Llama{
			Dim: dim, Layers: layers, Heads: heads, KVHeads: kv, FFN: ffn, Vocab: vocab, Context: context,
			RopeTheta: 10000, NormEps: 1e-5, Tied: true,
		}
	}
	return []Size{
		{"1m", llama(128, 4, 4, 4, 384, 256, 128), 8, 128}, // 0.89 million parameters
		{"10m", llama(256, 11, 4, 4, 704, 4096, 256), 8, 256},
		{"50m", llama(512, 13, 8, 8, 1408, 16384, 512), 4, 512},
		{"124m", llama(768, 12, 12, 12, 2048, 50304, 1024), 2, 1024},
		{"1b", llama(2048, 21, 32, 4, 5632, 32000, 2048), 1, 1024},
	}
}

// Shaped returns s with batches of so many rows of so many tokens; 0 is as it is.
func (s Size) Shaped(rows, steps int) Size {
	if rows > 0 {
		s.Rows = rows
	}
	if steps > 0 {
		s.Steps, s.Model.Context = steps, max(steps, s.Model.Context)
	}
	return s
}

// Batch returns the i-th batch: sequences in which each id decides the next up to
// a little noise, so that there is something to learn.
func (s Size) Batch(i uint64) engine.Batch {
	r, n := rand.New(rand.NewPCG(i, 5)), s.Rows*s.Steps
	inputs, targets := make([]int32, n), make([]int32, n)
	id := r.IntN(s.Model.Vocab)
	for k := range inputs {
		inputs[k] = int32(id)
		id = (5*id + 7 + r.IntN(3)) % s.Model.Vocab
		targets[k] = int32(id)
	}
	return engine.Tokens(s.Rows, s.Steps, inputs, targets)
}

// matrixWork returns the floating-point operations that training on one token
// takes in matrix products: two for each weight forward and four backward, and the
// same for what attention multiplies, of which the half after a query is not
// needed. What an engine computes twice counts once.
func (s Size) matrixWork() float64 {
	m := s.Model
	layer := 2*m.Dim*m.Dim + 2*m.Dim*m.KVDim() + 3*m.Dim*m.FFN
	return 6 * float64(m.Layers*(layer+m.Dim*s.Steps)+m.Vocab*m.Dim)
}
