package main

// This file holds what lode bench engine writes for other programs to train on.

import (
	"encoding/json"
	"os"
	"path/filepath"

	"lode/checkpoints/safetensors"
	"lode/cmd/lode/internal/measure"
	"lode/engine/model"
	"lode/tensor"
)

// benchFile is bench.json: what to train with, beside the model.
type benchFile struct {
	Rows        int              `json:"rows"`
	Steps       int              `json:"steps"`
	Rate        float32          `json:"rate"`
	Beta1       float32          `json:"beta1"`
	Beta2       float32          `json:"beta2"`
	Epsilon     float32          `json:"epsilon"`
	WeightDecay float32          `json:"weight_decay"`
	ClipNorm    float32          `json:"clip_norm"`
	Batches     []benchFileBatch `json:"batches"` // each of rows × steps ids
}

type benchFileBatch struct {
	Inputs  []int32 `json:"inputs"`
	Targets []int32 `json:"targets"`
}

// exportBench writes what lode bench engine trains on in so many counted steps:
// config.json and model.safetensors as Hugging Face names them, and bench.json.
func exportBench(dir string, s measure.Size, steps int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	h := measure.BenchHyper()
	x := benchFile{s.Rows, s.Steps, h.Rate, h.Beta1, h.Beta2, h.Epsilon, h.WeightDecay, h.ClipNorm, nil}
	for i := range measure.WarmSteps + steps {
		b := s.Batch(uint64(i))
		x.Batches = append(x.Batches, benchFileBatch{b.Inputs.IDs, b.Targets.IDs})
	}
	text, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.json"), text, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), s.Model.Config(), 0o644); err != nil {
		return err
	}
	return exportModel(filepath.Join(dir, "model.safetensors"), s.Model)
}

// exportModel writes the parameters, unless a file of their length is there: for another
// shape of batches they are the same.
func exportModel(path string, m model.Model) error {
	l, err := model.Layout(m)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Size()/4 >= int64(l.Len()) && info.Size()/4 < int64(l.Len())+1<<16 {
		return nil
	}
	params := make(tensor.Flat, l.Len())
	if err := model.Init(m, measure.BenchSeed, params); err != nil {
		return err
	}
	h, err := safetensors.ForLayout(l, map[string]string{"format": "pt"})
	if err != nil {
		return err
	}
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := safetensors.Write(to, h, l, params); err != nil {
		_ = to.Close()
		return err
	}
	return to.Close()
}
