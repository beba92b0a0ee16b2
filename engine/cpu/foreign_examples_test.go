package cpu

// This file holds the comparison of models of examples with PyTorch: each folder of
// testdata/examples is a model as Lode writes it, a batch, and the loss and gradients
// that benchmarks/compat/examples_torch.py made of them.

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lode/checkpoints/safetensors"
	"lode/engine"
	"lode/engine/model"
	"lode/tensor"
)

// foreignExamples are the fixtures: both losses, both pools, both activations.
func foreignExamples() map[string]model.Model {
	return map[string]model.Model{
		"table": model.MLP{Input: []int{7}, Hidden: []int{12}, Activation: model.GELU, Outputs: 2},
		"flat":  model.MLP{Input: []int{1, 4, 5}, Hidden: []int{13, 9}, Activation: model.ReLU, Classes: 3},
		"lenet": model.CNN{Input: []int{2, 11, 9}, Filters: []int{3, 5}, Kernel: 3, Padding: 1, Pool: 2, Hidden: []int{8}, Activation: model.ReLU, Classes: 4},
		"soft":  model.CNN{Input: []int{1, 9, 12}, Filters: []int{4}, Kernel: 4, Pool: 3, Mean: true, Activation: model.GELU, Classes: 6},
	}
}

// batchFile is a batch as the other program reads it.
type batchFile struct {
	Inputs  []float32 `json:"inputs"`
	Targets any       `json:"targets"`
}

// TestForeignExamples: what PyTorch reads is what Lode writes, and its loss and
// gradients are Lode's, for each tensor under its name.
func TestForeignExamples(t *testing.T) {
	for name, m := range foreignExamples() {
		folder := filepath.Join("testdata", "examples", name)
		e := newEngine(t, m, Options{})
		// Biases that are not zeros, and gradients of some size.
		r := rand.New(rand.NewPCG(2026, 12))
		for i := range e.params {
			e.params[i] += r.Float32()/2 - 0.25 // exact but for the sum, so the same everywhere
		}
		b := drawnExamples(r, m, 6)
		sameFiles(t, folder, e, m, b)
		var want struct {
			MadeBy    string               `json:"made_by"`
			Loss      float64              `json:"loss"`
			Gradients map[string][]float64 `json:"gradients"`
		}
		if *update {
			continue // torch.json is made next
		}
		text, err := os.ReadFile(filepath.Join(folder, "torch.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		loss, err := e.Gradient(b)
		if err != nil {
			t.Fatal(err)
		}
		worst := worse(0, loss-want.Loss)
		for i := range e.layout.NumTensors() {
			s := e.layout.Spec(i)
			theirs := want.Gradients[s.Name]
			if len(theirs) != s.Len() {
				t.Fatalf("%s: %d gradients of %s, want %d", name, len(theirs), s.Name, s.Len())
			}
			for k, g := range e.grads[e.layout.Offset(i):][:s.Len()] {
				worst = worse(worst, float64(g)-theirs[k])
			}
		}
		t.Logf("%s: loss %.6f; loss and %d gradients at most %.3g from those of %s", name, loss, len(e.grads), worst, want.MadeBy)
		if !(worst <= foreignTolerance) || len(want.Gradients) != e.layout.NumTensors() {
			t.Errorf("%s: %.3g apart in %d tensors, want at most %g in %d", name, worst, len(want.Gradients), foreignTolerance, e.layout.NumTensors())
		}
	}
}

// drawnExamples returns a batch of noise, the same bits everywhere.
func drawnExamples(r *rand.Rand, m model.Model, rows int) engine.Batch {
	inputs, targets := m.Takes()
	num := func(p engine.Port) int {
		n := rows
		for _, d := range p.Shape {
			n *= d
		}
		return n
	}
	b := engine.Batch{Rows: rows, Inputs: engine.Array{Shape: inputs.Shape}, Targets: engine.Array{Shape: targets.Shape}}
	for range num(inputs) {
		b.Inputs.Reals = append(b.Inputs.Reals, 2*r.Float32()-1)
	}
	for range num(targets) {
		if targets.Limit > 0 {
			b.Targets.IDs = append(b.Targets.IDs, int32(r.IntN(targets.Limit)))
		} else {
			b.Targets.Reals = append(b.Targets.Reals, 2*r.Float32()-1)
		}
	}
	return b
}

// sameFiles holds what the other program reads to what is written now.
func sameFiles(t *testing.T, folder string, e *Engine, m model.Model, b engine.Batch) {
	t.Helper()
	h, err := safetensors.ForLayout(e.layout, map[string]string{"format": "pt"})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := safetensors.Write(&file, h, e.layout, tensor.Flat(e.params)); err != nil {
		t.Fatal(err)
	}
	batch := batchFile{Inputs: b.Inputs.Reals, Targets: b.Targets.Reals}
	if b.Targets.IDs != nil {
		batch.Targets = b.Targets.IDs
	}
	text, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string][]byte{"config.json": m.Config(), "model.safetensors": file.Bytes(), "batch.json": text} {
		path := filepath.Join(folder, base)
		if *update {
			if err := errors.Join(os.MkdirAll(folder, 0o777), os.WriteFile(path, want, 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is no longer what is written for its model (%v)", path, err)
		}
	}
}
