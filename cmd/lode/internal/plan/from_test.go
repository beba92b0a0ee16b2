package plan

// This file tests plans that begin with parameters which are there already.

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"lode/data"
	"lode/engine"
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
)

// folder is one with a config.json and parameters that nobody reads here.
func folder(t *testing.T, config []byte) string {
	t.Helper()
	dir := t.TempDir()
	if config != nil {
		write(t, filepath.Join(dir, "config.json"), config)
	}
	write(t, filepath.Join(dir, "model.safetensors"), nil)
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ones are models of every family, none the default.
func ones() []model.Model {
	tokens := engine.Port{Shape: []int{300}, Series: true, Limit: 256}
	return []model.Model{
		model.Llama{Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 48, Vocab: 300, Context: 128, RopeTheta: 5e5, NormEps: 1e-6},
		model.MLP{Input: []int{1, 8, 8}, Hidden: []int{5, 6}, Activation: model.GELU, Classes: 7},
		model.CNN{Input: []int{3, 16, 16}, Filters: []int{4}, Kernel: 3, Padding: 1, Pool: 2, Mean: true, Hidden: []int{9}, Activation: model.GELU, Classes: 4},
		model.Custom{
			Factory: "nano:build", Source: strings.Repeat("ab", 32), Inputs: tokens, Targets: tokens,
			Tensors: []model.CustomTensor{{Name: "w", Shape: []int{4, 4}, Spread: 1}},
		},
	}
}

// The architecture is that of the config.json beside the parameters, whatever its family,
// and a plan that is written is read as the same.
func TestFrom(t *testing.T) {
	for _, m := range ones() {
		dir := folder(t, m.Config())
		text := "model: {from: " + strconv.Quote(dir) + "}\n"
		if inputs, _ := m.Takes(); !inputs.Series {
			text += "data: {tokenizer: records, piece: " + strconv.Itoa(64*replica.RecordLen(inputs)) + "}\ntrain: {steps: 1, rows: 2}\n"
		}
		p, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", m.Family(), err)
			continue
		}
		if got := p.Model.config().Config; got != string(m.Config()) {
			t.Errorf("%s: the manifest gets %s", m.Family(), got)
		}
		again, err := Parse(p.Text())
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s: %v\n%+v\n%+v", m.Family(), err, again.Model, p.Model)
		}
		if with, err := p.With([]byte("name: other")); err != nil || !reflect.DeepEqual(with.Model, p.Model) {
			t.Errorf("%s: %v", m.Family(), err)
		}
	}
}

// Without a config.json the fields of the file are the architecture; of a model of one's
// own its own file is, whatever lies beside the parameters.
func TestFromFile(t *testing.T) {
	bare := filepath.Join(folder(t, nil), "model.safetensors")
	p, err := Parse([]byte("model: {from: " + strconv.Quote(bare) + ", dim: 64}"))
	if err != nil || p.Model.Llama.Dim != 64 || p.Model.From.Path != bare || p.Model.From.Model != nil {
		t.Errorf("%+v, %v", p.Model, err)
	}
	own := ones()[3]
	nano := filepath.Join(t.TempDir(), "nano.json")
	write(t, nano, own.Config())
	text := "model: {family: torch, config: " + strconv.Quote(nano) + ", from: " + strconv.Quote(folder(t, model.Default().Config())) + "}"
	if p, err = Parse([]byte(text)); err != nil || p.Model.config().Config != string(own.Config()) {
		t.Errorf("%+v, %v", p.Model, err)
	}
	if seed, err := Parse([]byte("model: {from: seed}")); err != nil || !reflect.DeepEqual(seed, Defaults()) {
		t.Errorf("%+v, %v", seed.Model, err)
	}
}

// What contradicts the config.json, and what is not there, is said where it stands.
func TestFromFaults(t *testing.T) {
	dir := strconv.Quote(folder(t, ones()[0].Config()))
	bad := folder(t, []byte(`{"model_type":"mamba"}`))
	for text, want := range map[string]string{
		"{from: " + dir + ", dim: 64}":               "model.dim: is 64, but " + strings.Trim(dir, `"`) + "/config.json says 32: leave it out",
		"{family: cnn, from: " + dir + "}":           "model.family: is cnn, but ",
		"{from: " + dir + ", layers: 2}":             "",
		"{from: " + dir + ", context: 129}":          "model.context: is 129, but ",
		"{from: \"\"}":                               "model.from: is empty: name a folder",
		"{from: nowhere}":                            "model.from: cannot be read: stat nowhere",
		"{from: \"seed\"}":                           "model.from: cannot be read: stat seed",
		"{from: \"s3://a/b\"}":                       "model.from: is an address: bring what is there to this machine (lode pull ADDRESS -o FOLDER)",
		"{from: " + strconv.Quote(t.TempDir()) + "}": "model.from: cannot be read: there is no checkpoint yet",
		"{from: " + strconv.Quote(bad) + "}":         `config.json that cannot be used: config: model_type is "mamba"`,
	} {
		_, err := Parse([]byte("model: " + text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got\n%v\nwant\n%s", text, err, want)
		}
	}
}

// The manifest names the parameters once the plan was told of them.
func TestGive(t *testing.T) {
	m := model.Default()
	p, err := Parse([]byte("model: {from: " + strconv.Quote(folder(t, m.Config())) + "}"))
	if err != nil {
		t.Fatal(err)
	}
	g := replica.Given{Root: protocol.Digest{1}, Index: &data.Index{Bytes: 128, Piece: 64, Width: 4, Digests: make([]protocol.Digest, 2)}}
	p.Give(g)
	man, err := p.Manifest(protocol.NodeID{1}, protocol.NodeID{2}, Corpus{Index: &data.Index{Bytes: 1 << 16, Piece: 1 << 14, Width: 1, Digests: make([]protocol.Digest, 4)}})
	if err != nil || man.Model.Initial != g.Root || man.Model.Pieces != g.Index.Digest() {
		t.Errorf("%+v, %v", man.Model, err)
	}
}
