package pretrained_test

// This file tests finding parameters and refusing what is not a model's.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/checkpoints/safetensors"
	"lode/cmd/lode/internal/pretrained"
	"lode/engine/model"
	"lode/tensor"
)

var tiny = model.Llama{Dim: 8, Layers: 1, Heads: 2, KVHeads: 1, FFN: 16, Vocab: 16, Context: 8, RopeTheta: 1e4, NormEps: 1e-5, Tied: true}

// values returns parameters of m, all different.
func values(t testing.TB, m model.Model) (tensor.Layout, tensor.Flat) {
	t.Helper()
	l, err := model.Layout(m)
	if err != nil {
		t.Fatal(err)
	}
	v := make(tensor.Flat, l.Len())
	for i := range v {
		v[i] = float32(i) + 0.5
	}
	return l, v
}

// file is a safetensors file with tensors, of which each has its own values.
func file(t testing.TB, path string, tensors map[string][]float32, shapes map[string][]int) {
	t.Helper()
	var entries []safetensors.Entry
	var raw []byte
	for name, vals := range tensors {
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: shapes[name]})
		for _, v := range vals {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
	}
	h, err := safetensors.New(nil, entries...)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, append(h.Encode(), raw...))
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// parts returns the tensors of a model by name, and their shapes.
func parts(l tensor.Layout, v tensor.Flat) (map[string][]float32, map[string][]int) {
	tensors, shapes := map[string][]float32{}, map[string][]int{}
	for t := range l.NumTensors() {
		s := l.Spec(t)
		tensors[s.Name], shapes[s.Name] = slices.Clone(v[l.Offset(t):l.Offset(t)+s.Len()]), s.Shape
	}
	return tensors, shapes
}

func read(t testing.TB, path string, m model.Model) (tensor.Flat, error) {
	t.Helper()
	w, err := pretrained.Open(path)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	l, _ := values(t, m)
	r, err := w.Checked(m, l)
	if err != nil {
		return nil, err
	}
	got := make(tensor.Flat, l.Len())
	return got, tensor.Copy(l, got, r)
}

// A file, a folder, several files with an index, a pulled checkpoint and a store all give
// the same values.
func TestFind(t *testing.T) {
	l, want := values(t, tiny)
	tensors, shapes := parts(l, want)
	dir := t.TempDir()
	one, several, store, pulled := filepath.Join(dir, "one"), filepath.Join(dir, "several"), filepath.Join(dir, "store"), filepath.Join(dir, "pulled")
	for _, d := range []string{one, several} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(d, "config.json"), tiny.Config())
	}
	file(t, filepath.Join(one, "model.safetensors"), tensors, shapes)
	const norm = "model.norm.weight"
	index := []byte(`{"metadata":{"total_size":1},"weight_map":{"` + norm + `":"a.safetensors"`)
	file(t, filepath.Join(several, "a.safetensors"), map[string][]float32{norm: tensors[norm]}, shapes)
	rest := map[string][]float32{}
	for name, v := range tensors {
		if name != norm {
			rest[name] = v
			index = append(index, `,"`+name+`":"b.safetensors"`...)
		}
	}
	file(t, filepath.Join(several, "b.safetensors"), rest, shapes)
	write(t, filepath.Join(several, "model.safetensors.index.json"), append(index, "}}"...))
	to, err := checkpoints.OpenDir(store)
	if err != nil {
		t.Fatal(err)
	}
	run := [32]byte{1}
	if _, err := checkpoints.Write(t.Context(), to, checkpoints.Draft{Run: run, Round: 3, Layout: l, Model: want, Config: tiny.Config()}); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoints.Pull(t.Context(), to, pulled, checkpoints.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{one, filepath.Join(one, "model.safetensors"), several, store, pulled} {
		got, err := read(t, path, tiny)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v", path, err)
		}
		if f, err := pretrained.Find(path); err != nil || !bytes.Equal(f.Config, tiny.Config()) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.Remove(filepath.Join(several, "a.safetensors")); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, several, tiny); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "names a.safetensors") {
		t.Errorf("a file that is missing: %v", err)
	}
	spoilt := filepath.Join(pulled, "model.safetensors")
	b, err := os.ReadFile(spoilt)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	write(t, spoilt, b)
	if _, err := read(t, pulled, tiny); !errors.Is(err, checkpoints.ErrCorrupt) {
		t.Errorf("a checkpoint that was changed: %v", err)
	}
}

// What is not there, or not such a file, is refused in words.
func TestFindRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"nothing":              {"x", "", "there is no checkpoint yet"},
		"a pull that was cut":  {"model.safetensors.part", "x", "run the same lode pull again"},
		"no JSON":              {"model.safetensors.index.json", "{", "unexpected end"},
		"an index of nothing":  {"model.safetensors.index.json", "{}", "names 0 files"},
		"a file elsewhere":     {"model.safetensors.index.json", `{"weight_map":{"a":"../b"}}`, "is no file beside it"},
		"a file further below": {"model.safetensors.index.json", `{"weight_map":{"a":"b/c"}}`, "is no file beside it"},
		"an absolute file":     {"model.safetensors.index.json", `{"weight_map":{"a":"/b"}}`, "is no file beside it"},
		"no safetensors":       {"model.safetensors", "PK", "too short"},
		"a long header":        {"model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}", "header claims"},
		"a file that was cut":  {"model.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00{", "header claims"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, c.file), []byte(c.text))
		if _, err := pretrained.Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := pretrained.Find(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), make([]byte, model.MaxConfig+1))
	write(t, filepath.Join(dir, "model.safetensors"), nil)
	if _, err := pretrained.Find(dir); err == nil || !strings.Contains(err.Error(), "config.json has more than") {
		t.Error(err)
	}
}

// Of a tied model the head may lie there too, if it is the embedding; and what follows
// from the configuration. Everything else is named.
func TestWhatMayLieBeside(t *testing.T) {
	l, v := values(t, tiny)
	tensors, shapes := parts(l, v)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	with := func(name string, shape []int, vals []float32) error {
		t.Helper()
		tensors, shapes := parts(l, v)
		tensors[name], shapes[name] = vals, shape
		file(t, path, tensors, shapes)
		_, err := read(t, path, tiny)
		return err
	}
	const embed = "model.embed_tokens.weight"
	other := slices.Clone(tensors[embed])
	other[len(other)-1]++
	for name, c := range map[string]struct {
		tensor string
		shape  []int
		vals   []float32
		want   string // "": it is taken
	}{
		"the same head":    {"lm_head.weight", shapes[embed], tensors[embed], ""},
		"another head":     {"lm_head.weight", shapes[embed], other, "is another matrix than"},
		"a head of others": {"lm_head.weight", []int{1, 2}, []float32{1, 2}, "lm_head.weight is F32 [1 2]"},
		"frequencies":      {"model.layers.0.self_attn.rotary_emb.inv_freq", []int{2}, []float32{1, 2}, ""},
		"a bias":           {"model.norm.bias", []int{1}, []float32{1}, "surplus: model.norm.bias"},
		"not finite":       {"model.norm.weight", []int{8}, []float32{1, 1, 1, 1, 1, 1, 1, float32(math.Inf(1))}, "not finite: model.norm.weight"},
		"another shape":    {"model.norm.weight", []int{2, 4}, make([]float32, 8), "of another shape: model.norm.weight is F32 [2 4], want [8]"},
	} {
		if err := with(c.tensor, c.shape, c.vals); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	untied := tiny
	untied.Tied = false
	file(t, path, tensors, shapes)
	if _, err := read(t, path, untied); err == nil || !strings.Contains(err.Error(), "missing: lm_head.weight") {
		t.Errorf("no head: %v", err)
	}
}
