package model

// This file translates to and from the config.json of Hugging Face.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// MaxConfig bounds the bytes of a config.json.
const MaxConfig = 1 << 16

// config holds the fields of config.json that decide what the model computes,
// in the order they are written.
type config struct {
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
	family       = "llama"
	activation   = "silu"
	dtype        = "float32"
)

// Config returns the model's config.json, indented, with a newline at its end.
// It is the same bytes for the same model. m must be valid.
func (m Llama) Config() []byte {
	if err := m.Validate(); err != nil {
		panic("model: config of an invalid model: " + err.Error())
	}
	out, err := json.MarshalIndent(config{
		Architectures: []string{architecture}, Act: activation, ModelType: family, Dtype: dtype,
		Dim: m.Dim, FFN: m.FFN, Context: m.Context, Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim(),
		Layers: m.Layers, NormEps: m.NormEps, RopeTheta: m.RopeTheta, Tied: m.Tied, Vocab: m.Vocab,
	}, "", "  ")
	if err != nil {
		panic("model: config: " + err.Error()) // all fields are finite numbers, strings and bools
	}
	return append(out, '\n')
}

// ParseConfig reads a config.json and accepts it only if this package computes
// exactly what it describes. Fields that decide nothing here (version strings,
// dropout of zero, cache switches and the like) may be present; any other
// unknown field is refused by name, because its meaning might matter.
func ParseConfig(data []byte) (Llama, error) {
	if len(data) > MaxConfig {
		return Llama{}, fmt.Errorf("config: %d bytes, at most %d are allowed", len(data), MaxConfig)
	}
	fields, err := objectFields(data)
	if err != nil {
		return Llama{}, fmt.Errorf("config: %w", err)
	}
	r := reader{fields: fields}
	m := r.llama()
	r.fixed()
	r.rest()
	if err := errors.Join(append(r.errs, m.Validate())...); err != nil {
		return Llama{}, fmt.Errorf("config: %w", err)
	}
	if d := r.integer("head_dim", m.HeadDim()); d != m.HeadDim() {
		return Llama{}, fmt.Errorf("config: head_dim is %d, want hidden_size/num_attention_heads = %d", d, m.HeadDim())
	}
	return m, errors.Join(r.errs...)
}

// objectFields splits one JSON object into its fields and refuses a field that
// is named twice, for which readers disagree on the winner.
func objectFields(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // inside an object the decoder yields only strings as keys
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("field %.40q is given twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("field %.40q: %w", name, err)
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("bytes follow the object")
	}
	return fields, nil
}

// reader takes fields out one by one and collects what is wrong with them.
type reader struct {
	fields map[string]json.RawMessage
	seen   []string
	errs   []error
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
		{"model_type", `"` + family + `"`},
		{"hidden_act", `"` + activation + `"`},
		{"attention_bias", "false"},
		{"mlp_bias", "false"},
		{"rope_scaling", "null"},
		{"attention_dropout", "0"},
		{"pretraining_tp", "1"},
	} {
		name, want := f[0], f[1]
		raw, ok := r.fields[name]
		r.seen = append(r.seen, name)
		if ok && !sameJSON(raw, want) {
			r.errs = append(r.errs, fmt.Errorf("field %s is %.60s, want %s", name, raw, want))
		}
	}
	if _, ok := r.fields["model_type"]; !ok {
		r.errs = append(r.errs, errors.New("field model_type is missing"))
	}
}

func sameJSON(raw json.RawMessage, want string) bool {
	var a, b any
	if json.Unmarshal(raw, &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// inert lists the fields that say nothing about what the model computes in
// training: token roles, storage type, generation and version notes.
var inert = []string{
	"bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype", "use_cache",
	"initializer_range", "transformers_version", "_name_or_path",
}

// rest refuses what nobody asked for.
func (r *reader) rest() {
	known := map[string]bool{"head_dim": true}
	for _, name := range append(r.seen, inert...) {
		known[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		if !known[name] {
			r.errs = append(r.errs, fmt.Errorf("field %.40q is not supported", name))
		}
	}
}

// given reports whether a field is there and not null.
func (r *reader) given(name string) bool {
	raw, ok := r.fields[name]
	return ok && string(raw) != "null"
}

// decode leaves into as it is if the field is missing or null.
func (r *reader) decode(name string, into any) {
	r.seen = append(r.seen, name)
	if !r.given(name) {
		return
	}
	if err := json.Unmarshal(r.fields[name], into); err != nil {
		r.errs = append(r.errs, fmt.Errorf("field %s: %w", name, err))
	}
}

func (r *reader) integer(name string, missing int) int {
	v := missing
	r.decode(name, &v)
	return v
}

func (r *reader) number(name string, missing float64) float64 {
	v := missing
	r.decode(name, &v)
	return v
}

func (r *reader) boolean(name string, missing bool) bool {
	v := missing
	r.decode(name, &v)
	return v
}
