package models_test

import (
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/data"
	"lode/engine"
	"lode/engine/model"
	"lode/tensor"
)

// Checkpoints of every family are pulled and loaded; those that read no text say so
// where text is asked for.
func TestEveryFamilyLoads(t *testing.T) {
	for _, m := range []model.Model{
		model.MLP{Input: []int{2, 3}, Hidden: []int{4}, Activation: model.GELU, Outputs: 2},
		model.LeNet(16, 16, 10),
	} {
		layout, err := model.Layout(m)
		if err != nil {
			t.Fatal(err)
		}
		params := make(tensor.Flat, layout.Len())
		if err := model.Init(m, [32]byte{1}, params); err != nil {
			t.Fatal(err)
		}
		root, err := tensor.Root(layout, params)
		if err != nil {
			t.Fatal(err)
		}
		store, dir := t.TempDir(), t.TempDir()
		s, err := checkpoints.OpenDir(store)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := checkpoints.Write(t.Context(), s, checkpoints.Draft{Run: [32]byte{1}, Round: 5, Layout: layout, Model: params, Config: m.Config()}); err != nil {
			t.Fatal(err)
		}
		if _, err := models.Pull(t.Context(), store, models.Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		l := load(t, dir, root)
		inputs, targets := l.Engine.Takes()
		if l.Model.Family() != m.Family() || inputs.Series {
			t.Errorf("%s was loaded as %+v", m.Family(), l.Model)
		}
		b := engine.Batch{Rows: 1, Inputs: engine.Array{Shape: inputs.Shape, Reals: make([]float32, product(inputs.Shape))}, Targets: engine.Array{Shape: targets.Shape}}
		if b.Targets.IDs = []int32{3}; targets.Limit == 0 {
			b.Targets = engine.Array{Shape: targets.Shape, Reals: make([]float32, product(targets.Shape))}
		}
		if _, err := l.Engine.Loss(b); err != nil {
			t.Error(err)
		}
		err = models.Generate(t.Context(), l, "a", models.Sampling{Tokens: 1}, func(string) {})
		if err == nil || !strings.Contains(err.Error(), "is of family "+m.Family()+", which reads no text") {
			t.Errorf("generate: %v", err)
		}
		if _, err := models.Evaluate(t.Context(), l, models.Text{Plan: data.Plan{}}, models.Measuring{}); err == nil || !strings.Contains(err.Error(), "reads no text") {
			t.Errorf("evaluate: %v", err)
		}
	}
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
