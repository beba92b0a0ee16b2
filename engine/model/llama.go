package model

// This file holds the Llama family and its config.json, which is that of Hugging
// Face.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"lode/engine"
)

// Bounds on what a description may ask for; they keep every product of sizes
// inside an int64 and a typo from allocating a machine.
const (
	MaxDim     = 1 << 16
	MaxLayers  = 1 << 10
	MaxVocab   = 1 << 20
	MaxContext = 1 << 20
)

// Llama is a language model of the Llama family. It computes what LlamaForCausalLM
// in Hugging Face transformers does: RMSNorm before each sublayer and before the
// head, rotary positions in the rotate-half form, causal attention scaled by
// 1/√(head dim) with grouped key and value heads, SwiGLU (silu(gate)·up), no biases.
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
		within("kv_heads", m.KVHeads, MaxDim),
		within("ffn", m.FFN, 4*MaxDim),
		within("vocab", m.Vocab, MaxVocab),
		within("context", m.Context, MaxContext),
	}
	if m.Heads > 0 && m.Dim%(2*m.Heads) != 0 {
		errs = append(errs, fault("dim", "is %d, must be an even multiple of %d heads", m.Dim, m.Heads))
	}
	if m.KVHeads > 0 && m.Heads%m.KVHeads != 0 {
		errs = append(errs, fault("kv_heads", "is %d, must divide %d heads", m.KVHeads, m.Heads))
	}
	if !(m.RopeTheta >= 1) || math.IsInf(m.RopeTheta, 0) {
		errs = append(errs, fault("theta", "is %v, want a finite number of at least 1", m.RopeTheta))
	}
	if !(m.NormEps >= 1e-12 && m.NormEps <= 1) {
		errs = append(errs, fault("norm_eps", "is %v, want 1e-12 to 1", m.NormEps))
	}
	return errors.Join(errs...)
}

// Family implements Model.
func (m Llama) Family() string { return llamaFamily }

// Takes implements Model: sequences of token ids within the context.
func (m Llama) Takes() (inputs, targets engine.Port) {
	tokens := engine.Port{Shape: []int{m.Context}, Series: true, Limit: m.Vocab}
	return tokens, tokens
}

// Build implements Model. Names are those of Hugging Face.
func (m Llama) Build(b Builder) {
	const embedding = "model.embed_tokens"
	x := b.Embed(embedding, m.Vocab, m.Dim)
	for l := range m.Layers {
		x = m.block(b, fmt.Sprintf("model.layers.%d.", l), x)
	}
	head := Head{Name: "lm_head"}
	if m.Tied {
		head.Name = embedding
	}
	b.CrossEntropy(b.RMSNorm("model.norm", x, m.NormEps), head)
}

// block describes one layer: x + attention(norm(x)), then that plus its
// feed-forward.
func (m Llama) block(b Builder, prefix string, x Value) Value {
	h := b.RMSNorm(prefix+"input_layernorm", x, m.NormEps)
	h = b.Linear(h, Linear{Parts: []Part{
		{prefix + "self_attn.q_proj", m.Dim}, {prefix + "self_attn.k_proj", m.KVDim()}, {prefix + "self_attn.v_proj", m.KVDim()},
	}})
	h = b.Attention(h, Heads{Query: m.Heads, KV: m.KVHeads, Theta: m.RopeTheta})
	x = b.Linear(h, Linear{Parts: []Part{{prefix + "self_attn.o_proj", m.Dim}}, Add: x, Sums: 2 * m.Layers})
	h = b.RMSNorm(prefix+"post_attention_layernorm", x, m.NormEps)
	h = b.SwiGLU(b.Linear(h, Linear{Parts: []Part{{prefix + "mlp.gate_proj", m.FFN}, {prefix + "mlp.up_proj", m.FFN}}}))
	return b.Linear(h, Linear{Parts: []Part{{prefix + "mlp.down_proj", m.Dim}}, Add: x, Sums: 2 * m.Layers})
}

// llamaConfig holds the fields of config.json that decide what the model computes,
// in the order they are written.
type llamaConfig struct {
	Architectures []string `json:"architectures"`
	AttentionBias bool     `json:"attention_bias"`
	BOS           *int     `json:"bos_token_id"`
	EOS           *int     `json:"eos_token_id"`
	HeadDim       int      `json:"head_dim"`
	Act           string   `json:"hidden_act"`
	Dim           int      `json:"hidden_size"`
	FFN           int      `json:"intermediate_size"`
	Context       int      `json:"max_position_embeddings"`
	MLPBias       bool     `json:"mlp_bias"`
	ModelType     string   `json:"model_type"`
	Heads         int      `json:"num_attention_heads"`
	Layers        int      `json:"num_hidden_layers"`
	KVHeads       int      `json:"num_key_value_heads"`
	NormEps       float64  `json:"rms_norm_eps"`
	RopeScaling   any      `json:"rope_scaling"`
	RopeTheta     float64  `json:"rope_theta"`
	Tied          bool     `json:"tie_word_embeddings"`
	Dtype         string   `json:"torch_dtype"`
	Vocab         int      `json:"vocab_size"`
}

const (
	architecture = "LlamaForCausalLM"
	llamaFamily  = "llama"
	activation   = "silu"
)

// Config implements Model, in the format of Hugging Face.
func (m Llama) Config() []byte {
	mustBeValid(m)
	return write(llamaConfig{
		Architectures: []string{architecture}, Act: activation, ModelType: llamaFamily, Dtype: dtype,
		Dim: m.Dim, FFN: m.FFN, Context: m.Context, Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim(),
		Layers: m.Layers, NormEps: m.NormEps, RopeTheta: m.RopeTheta, Tied: m.Tied, Vocab: m.Vocab,
	})
}

// parseLlama reads the fields of a Llama.
func parseLlama(r *reader) Model {
	m := r.llama()
	r.fixed()
	// Without heads there is no head dim; Validate says so.
	if m.Heads > 0 {
		if d := r.integer("head_dim", m.HeadDim()); d != m.HeadDim() {
			r.errs = append(r.errs, fmt.Errorf("head_dim is %d, want hidden_size/num_attention_heads = %d", d, m.HeadDim()))
		}
	}
	r.ignore(inert...)
	return m
}

func (r *reader) llama() Llama {
	m := Llama{
		Dim: r.integer("hidden_size", 0), Layers: r.integer("num_hidden_layers", 0),
		Heads: r.integer("num_attention_heads", 0), FFN: r.integer("intermediate_size", 0),
		Vocab: r.integer("vocab_size", 0), Context: r.integer("max_position_embeddings", 0),
		NormEps: r.number("rms_norm_eps", 1e-6), Tied: r.boolean("tie_word_embeddings", false),
	}
	nested := r.ropeParameters()
	if m.RopeTheta = r.number("rope_theta", nested); m.RopeTheta != nested && r.given("rope_parameters") {
		r.errs = append(r.errs, fmt.Errorf("rope_theta is %v and %v", m.RopeTheta, nested))
	}
	m.KVHeads = r.integer("num_key_value_heads", m.Heads)
	return m
}

// ropeParameters reads the object in which newer transformers keep rope_theta.
func (r *reader) ropeParameters() float64 {
	const plain = 10000
	var p struct {
		Theta float64 `json:"rope_theta"`
		Type  string  `json:"rope_type"`
	}
	r.seen = append(r.seen, "rope_parameters")
	if !r.given("rope_parameters") {
		return plain
	}
	dec := json.NewDecoder(bytes.NewReader(r.fields["rope_parameters"]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		r.errs = append(r.errs, fmt.Errorf("rope_parameters: %w", err))
	}
	if p.Type != "" && p.Type != "default" {
		r.errs = append(r.errs, fmt.Errorf("rope_parameters: type %.40q is not supported", p.Type))
	}
	return p.Theta
}

// fixed checks the fields that may have one value only.
func (r *reader) fixed() {
	for _, f := range [][2]string{
		{"architectures", `["` + architecture + `"]`},
		{"hidden_act", `"` + activation + `"`},
		{"attention_bias", "false"},
		{"mlp_bias", "false"},
		{"rope_scaling", "null"},
		{"attention_dropout", "0"},
		{"pretraining_tp", "1"},
	} {
		r.only(f[0], f[1])
	}
}

// inert lists the fields that say nothing about what the model computes in
// training: token roles, storage type, generation and version notes.
var inert = []string{
	"bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype", "use_cache",
	"initializer_range", "transformers_version", "_name_or_path",
}
