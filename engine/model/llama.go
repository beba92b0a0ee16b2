package model

// This file holds the architecture and its tensors.

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"lode/tensor"
)

// Bounds on what a description may ask for; they keep every product of sizes
// inside an int64 and a typo from allocating a machine.
const (
	MaxDim     = 1 << 16
	MaxLayers  = 1 << 10
	MaxVocab   = 1 << 20
	MaxContext = 1 << 20
)

// Llama is the architecture of one model.
type Llama struct {
	Dim       int     // width of the residual stream; a multiple of 2·Heads
	Layers    int     // number of blocks
	Heads     int     // query heads; head dim is Dim/Heads
	KVHeads   int     // key and value heads; divides Heads
	FFN       int     // inner width of the SwiGLU
	Vocab     int     // number of token ids
	Context   int     // longest sequence, in tokens
	RopeTheta float64 // base of the rotary frequencies
	NormEps   float64 // added to the mean square in RMSNorm
	Tied      bool    // the head uses the embedding matrix
}

// Default returns the small byte model that runs are tried out with: 0.36 million
// parameters, 256 tokens of context.
func Default() Llama {
	return Llama{
		Dim: 96, Layers: 3, Heads: 4, KVHeads: 4, FFN: 256, Vocab: 256, Context: 256,
		RopeTheta: 10000, NormEps: 1e-5, Tied: true,
	}
}

// HeadDim returns the width of one head.
func (m Llama) HeadDim() int { return m.Dim / m.Heads }

// KVDim returns the width of all key heads together.
func (m Llama) KVDim() int { return m.KVHeads * m.HeadDim() }

// Validate reports all faults at once.
func (m Llama) Validate() error {
	errs := []error{
		within("dim", m.Dim, MaxDim),
		within("layers", m.Layers, MaxLayers),
		within("heads", m.Heads, MaxDim),
		within("kv heads", m.KVHeads, MaxDim),
		within("ffn", m.FFN, 4*MaxDim),
		within("vocab", m.Vocab, MaxVocab),
		within("context", m.Context, MaxContext),
	}
	if m.Heads > 0 && m.Dim%(2*m.Heads) != 0 {
		errs = append(errs, fmt.Errorf("model: dim %d is not a multiple of 2·%d heads", m.Dim, m.Heads))
	}
	if m.KVHeads > 0 && m.Heads%m.KVHeads != 0 {
		errs = append(errs, fmt.Errorf("model: %d heads cannot share %d kv heads", m.Heads, m.KVHeads))
	}
	if !(m.RopeTheta >= 1) || math.IsInf(m.RopeTheta, 0) {
		errs = append(errs, fmt.Errorf("model: rope theta %v, want a finite number of at least 1", m.RopeTheta))
	}
	if !(m.NormEps >= 1e-12 && m.NormEps <= 1) {
		errs = append(errs, fmt.Errorf("model: norm eps %v, want 1e-12 to 1", m.NormEps))
	}
	return errors.Join(errs...)
}

func within(name string, v, most int) error {
	if v < 1 || v > most {
		return fmt.Errorf("model: %s is %d, want 1 to %d", name, v, most)
	}
	return nil
}

// Layout names the model's tensors as Hugging Face does, in this order: the
// embedding, the layers, the last norm and, unless tied, the head.
func (m Llama) Layout() (tensor.Layout, error) {
	if err := m.Validate(); err != nil {
		return tensor.Layout{}, err
	}
	specs := []tensor.Spec{{Name: "model.embed_tokens.weight", Shape: []int{m.Vocab, m.Dim}, Kind: tensor.Embedding}}
	for l := range m.Layers {
		specs = append(specs, m.layer(fmt.Sprintf("model.layers.%d.", l))...)
	}
	specs = append(specs, tensor.Spec{Name: "model.norm.weight", Shape: []int{m.Dim}})
	if !m.Tied {
		specs = append(specs, tensor.Spec{Name: "lm_head.weight", Shape: []int{m.Vocab, m.Dim}})
	}
	return tensor.NewLayout(specs...)
}

// Hidden reports whether s is a matrix of a layer: no embedding, head or norm.
func Hidden(s tensor.Spec) bool {
	return len(s.Shape) == 2 && strings.HasPrefix(s.Name, "model.layers.")
}

func (m Llama) layer(prefix string) []tensor.Spec {
	matrix := func(name string, out, in int) tensor.Spec {
		return tensor.Spec{Name: prefix + name + ".weight", Shape: []int{out, in}}
	}
	norm := func(name string) tensor.Spec {
		return tensor.Spec{Name: prefix + name + ".weight", Shape: []int{m.Dim}}
	}
	return []tensor.Spec{
		norm("input_layernorm"),
		matrix("self_attn.q_proj", m.Dim, m.Dim),
		matrix("self_attn.k_proj", m.KVDim(), m.Dim),
		matrix("self_attn.v_proj", m.KVDim(), m.Dim),
		matrix("self_attn.o_proj", m.Dim, m.Dim),
		norm("post_attention_layernorm"),
		matrix("mlp.gate_proj", m.FFN, m.Dim),
		matrix("mlp.up_proj", m.FFN, m.Dim),
		matrix("mlp.down_proj", m.Dim, m.FFN),
	}
}
