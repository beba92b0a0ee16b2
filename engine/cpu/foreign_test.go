package cpu

// This file holds the comparison with other programs that read our checkpoints.
//
// Each folder of testdata/foreign is a model as Lode writes it and the logits
// others computed from it with the programs in benchmarks/compat: numpy.json in
// float64, candle.json and transformers.json in float32. Each names its version.

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/checkpoints/safetensors"
	"lode/engine"
	"lode/engine/kernel"
	"lode/engine/model"
	"lode/tensor"
)

var (
	update       = flag.Bool("update", false, "rewrite the models in testdata/foreign; their logits must be made anew by the programs in benchmarks/compat")
	foreignModel = flag.String("foreign", "", "also compare with this folder: config.json, model.safetensors and logits in other *.json")
)

// foreignTolerance is how far a logit or loss may lie from another program's.
// Measured: at most 1e-5 for logits between -6 and 7 that come through two
// layers of float32 sums, with which the other programs' own float32 and float64
// differ as much; ten times that leaves room for other instruction sets.
const foreignTolerance = 1e-4

// foreignModels are the fixtures: query heads that share keys, with an output
// matrix of its own; and a key head each, with the embedding as output matrix.
func foreignModels() map[string]model.Llama {
	m := model.Llama{
		Dim: 16, Layers: 2, Heads: 4, KVHeads: 2, FFN: 24, Vocab: 32, Context: 64,
		RopeTheta: 10000, NormEps: 1e-2,
	}
	tied := m
	tied.KVHeads, tied.Tied, tied.RopeTheta, tied.NormEps = tied.Heads, true, 500, 1e-5
	return map[string]model.Llama{"grouped": m, "tied": tied}
}

// foreignParams draws parameters that hide nothing: norms are not ones, and
// matrices are large enough that attention is far from even.
func foreignParams(t *testing.T, m model.Llama) tensor.Flat {
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	params := make(tensor.Flat, l.Len())
	if err := model.Init(m, [32]byte{11, 22}, params); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2026, 11))
	for i := range l.NumTensors() {
		s := l.Spec(i)
		for j := range s.Len() {
			if p := &params[l.Offset(i)+j]; len(s.Shape) == 1 {
				*p = 0.5 + r.Float32()
			} else {
				*p *= 3
			}
		}
	}
	return params
}

// TestForeignModelsAreOurs: what the other programs read is byte for byte what
// Lode writes.
func TestForeignModelsAreOurs(t *testing.T) {
	for name, m := range foreignModels() {
		l, err := model.Layout(m)
		if err != nil {
			t.Fatal(err)
		}
		h, err := safetensors.ForLayout(l, map[string]string{"format": "pt"})
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		if err := safetensors.Write(&file, h, l, foreignParams(t, m)); err != nil {
			t.Fatal(err)
		}
		for base, want := range map[string][]byte{"config.json": m.Config(), "model.safetensors": file.Bytes()} {
			path := filepath.Join("testdata", "foreign", name, base)
			if *update {
				err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, want, 0o666))
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is no longer what is written for its model", path)
			}
		}
	}
}

// foreign is what another program made of a model.
type foreign struct {
	MadeBy string      `json:"made_by"`
	Tokens []int32     `json:"tokens"`
	Logits [][]float64 `json:"logits"` // of each token
}

func readForeign(t *testing.T, path string) (f foreign) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if f.MadeBy == "" || len(f.Tokens) < 2 || len(f.Logits) != len(f.Tokens) {
		t.Fatalf("%s: made by %q, %d tokens, %d rows of logits", path, f.MadeBy, len(f.Tokens), len(f.Logits))
	}
	return f
}

// losses returns the cross-entropy of every token but the first.
func (f foreign) losses() (losses []float64) {
	for i, next := range f.Tokens[1:] {
		z := f.Logits[i]
		top, sum := z[next], 0.0
		for _, v := range z {
			top = max(top, v)
		}
		for _, v := range z {
			sum += math.Exp(v - top)
		}
		losses = append(losses, top+math.Log(sum)-z[next])
	}
	return losses
}

// openForeign reads a model the way a pulled one is read.
func openForeign(t *testing.T, folder string) (model.Llama, tensor.Flat) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(folder, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(file)
	h, err := safetensors.Parse(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	src, err := safetensors.Gather(l, nil, safetensors.Part{File: r, Header: h})
	if err != nil {
		t.Fatal(err)
	}
	params := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, params, src); err != nil {
		t.Fatal(err)
	}
	return m.(model.Llama), params
}

// apart returns how far the engine's logits, token by token, and its losses, as
// a batch, lie from the other program's.
func (f foreign) apart(t *testing.T, m model.Llama, params tensor.Flat) (logits, losses float64) {
	t.Helper()
	e := newEngine(t, m, Options{})
	if err := tensor.Copy(e.Layout(), e.Params(), params); err != nil {
		t.Fatal(err)
	}
	w := e.newWindow(m)
	for i, id := range f.Tokens {
		w.feed(id)
		for v, x := range w.score() {
			logits = worse(logits, float64(x)-f.Logits[i][v])
		}
	}
	// The loss of token n is what it adds to the sum over the prefix before it.
	before := 0.0
	for i, want := range f.losses() {
		mean, err := e.Loss(engine.Tokens(1, i+1, f.Tokens[:i+1], f.Tokens[1:i+2]))
		if err != nil {
			t.Fatal(err)
		}
		sum := mean * float64(i+1)
		losses = worse(losses, sum-before-want)
		before = sum
	}
	return logits, losses
}

// worse returns the larger of a and |d|; NaN is worst.
func worse(a, d float64) float64 {
	if math.IsNaN(d) {
		return math.Inf(1)
	}
	return max(a, math.Abs(d))
}

// foreignLogits returns the files in folder that others made.
func foreignLogits(t *testing.T, folder string) (paths []string) {
	t.Helper()
	all, err := fs.Glob(os.DirFS(folder), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range all {
		if base != "config.json" && base != "manifest.json" {
			paths = append(paths, filepath.Join(folder, base))
		}
	}
	if len(paths) == 0 {
		t.Fatalf("%s: no logits", folder)
	}
	return paths
}

// TestForeignLogits: other programs compute the same from our checkpoints.
func TestForeignLogits(t *testing.T) {
	folders := []string{filepath.Join("testdata", "foreign", "grouped"), filepath.Join("testdata", "foreign", "tied")}
	if *foreignModel != "" {
		folders = append(folders, *foreignModel)
	}
	for _, folder := range folders {
		m, params := openForeign(t, folder)
		for _, path := range foreignLogits(t, folder) {
			f := readForeign(t, path)
			logits, losses := f.apart(t, m, params)
			t.Logf("%s: %s against %s: %d logits at most %.3g apart, %d losses at most %.3g",
				folder, kernel.Name(), f.MadeBy, len(f.Tokens)*m.Vocab, logits, len(f.Tokens)-1, losses)
			if !(logits <= foreignTolerance && losses <= foreignTolerance) {
				t.Errorf("%s: logits %.3g and losses %.3g apart, want at most %g", path, logits, losses, foreignTolerance)
			}
		}
	}
}

// TestForeignLogitsNotice: the fixtures are such that every convention two
// programs may read differently shows, well above the tolerance.
func TestForeignLogitsNotice(t *testing.T) {
	const shows = 100 * foreignTolerance
	folder := filepath.Join("testdata", "foreign", "grouped")
	f := readForeign(t, filepath.Join(folder, "numpy.json"))
	for name, spoil := range map[string]func(*model.Llama, spoiler){
		"rotary base":          func(m *model.Llama, _ spoiler) { m.RopeTheta *= 1.5 },
		"norm epsilon":         func(m *model.Llama, _ spoiler) { m.NormEps *= 1.5 },
		"gate and up":          func(_ *model.Llama, s spoiler) { s.swap("mlp.gate_proj", "mlp.up_proj") },
		"norms of a block":     func(_ *model.Llama, s spoiler) { s.swap("input_layernorm", "post_attention_layernorm") },
		"keys and values":      func(_ *model.Llama, s spoiler) { s.swap("self_attn.k_proj", "self_attn.v_proj") },
		"order of key heads":   func(m *model.Llama, s spoiler) { s.halves("self_attn.k_proj"); s.halves("self_attn.v_proj") },
		"rotation in pairs":    func(m *model.Llama, s spoiler) { s.interleave("self_attn.q_proj"); s.interleave("self_attn.k_proj") },
		"order of query heads": func(_ *model.Llama, s spoiler) { s.halves("self_attn.q_proj") },
	} {
		m, params := openForeign(t, folder)
		l, err := model.Layout(m)
		if err != nil {
			t.Fatal(err)
		}
		spoil(&m, spoiler{m, l, params})
		if logits, losses := f.apart(t, m, params); !(logits > shows && losses > shows) {
			t.Errorf("%s: logits only %.3g and losses %.3g apart, want more than %g", name, logits, losses, shows)
		}
	}
}

// spoiler misreads the parameters of the first layer.
type spoiler struct {
	model  model.Llama
	layout tensor.Layout
	params tensor.Flat
}

// matrix returns the values of a tensor, part of params.
func (s spoiler) matrix(name string) []float32 {
	for i := range s.layout.NumTensors() {
		if spec := s.layout.Spec(i); strings.HasPrefix(spec.Name, "model.layers.0."+name) {
			return s.params[s.layout.Offset(i):][:spec.Len()]
		}
	}
	panic(fmt.Sprintf("cpu: no tensor %s", name))
}

func (s spoiler) swap(a, b string) { exchange(s.matrix(a), s.matrix(b)) }

// halves exchanges the upper rows of a matrix with the lower ones.
func (s spoiler) halves(name string) {
	w := s.matrix(name)
	exchange(w[:len(w)/2], w[len(w)/2:])
}

// interleave lays out the rows of each head as programs do that rotate value 2i
// with value 2i+1.
func (s spoiler) interleave(name string) {
	w, d := s.matrix(name), s.model.HeadDim()
	old := append([]float32(nil), w...)
	for i := range len(w) / s.model.Dim {
		head, at := i/d*d, i%d
		copy(row(w, i, s.model.Dim), row(old, head+at/2+at%2*d/2, s.model.Dim))
	}
}

func exchange(a, b []float32) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}
