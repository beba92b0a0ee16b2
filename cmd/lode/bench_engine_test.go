package main

// This file tests what lode bench engine prints and writes.

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lode/checkpoints/safetensors"
	"lode/cmd/lode/internal/measure"
	"lode/engine/model"
	"lode/tensor"
)

func TestBenchEnginePrints(t *testing.T) {
	var out bytes.Buffer
	f := benchOf(1)
	f.asJSON = true
	if err := f.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokens_per_s", "flop_utilisation", "peak_bytes", "loss_first", "loss_last"} {
		if v, ok := got[name].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v in %s", name, got[name], out.Bytes())
		}
	}
}

// An update can be measured, batches have the shape that is asked for, and parameters that
// were exported stay for another shape.
func TestBenchEngineShapes(t *testing.T) {
	var out bytes.Buffer
	f := benchOf(1)
	f.asJSON, f.scores, f.rows, f.sequence = true, 3, 2, 160
	if err := f.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var got measure.EngineResult
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if u := got.Update; got.Rows != 2 || got.Steps != 160 || u == nil || u.Kept == 0 || u.Scores != 3 || min(u.EncodeSeconds, u.ScoresSeconds, u.ApplySeconds, u.RootSeconds) <= 0 {
		t.Errorf("%s", out.Bytes())
	}
	f.export = t.TempDir()
	written := func() time.Time {
		t.Helper()
		if err := f.run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(f.export, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	first := written()
	if f.sequence = 20; !written().Equal(first) {
		t.Error("the parameters were written again")
	}
	if text, err := os.ReadFile(filepath.Join(f.export, "bench.json")); err != nil || !strings.Contains(string(text), `"steps":20,`) {
		t.Errorf("%v: %.80s", err, text)
	}
}

// Names are as drivers give them.
func TestCardPeak(t *testing.T) {
	for name, want := range map[string]float64{
		"NVIDIA H100 80GB HBM3": 989, "NVIDIA H100 PCIe": 756, "NVIDIA H200": 989, "NVIDIA A100-SXM4-80GB": 312, "NVIDIA A10": 125, "NVIDIA L4": 121,
		"NVIDIA GeForce RTX 4090": 165, "Stand-in 0": 0, "NVIDIA H2000": 0,
	} {
		if got := cardPeak(name); got != want*1e12 {
			t.Errorf("%s: %v TFLOP/s, want %v", name, got/1e12, want)
		}
	}
}

func benchOf(steps int) engineBench {
	f := engineBench{engineFlags: newEngineFlags(), size: "1m", steps: steps}
	f.threads = 1
	return f
}

func TestBenchEngineRefuses(t *testing.T) {
	for says, spoil := range map[string]func(f *engineBench){
		"--engine":        func(f *engineBench) { f.engine = "abacus" },
		"--size":          func(f *engineBench) { f.size = "2m" },
		"--threads":       func(f *engineBench) { f.threads = -1 },
		"--steps":         func(f *engineBench) { f.steps = 0 },
		"--precision":     func(f *engineBench) { f.precision = "int1" },
		"--max-memory is": func(f *engineBench) { f.most = "much" },
		"at the least":    func(f *engineBench) { f.most = "20MB" },
	} {
		f := benchOf(1)
		spoil(&f)
		if err := f.run(t.Context(), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want an error with %q", f, err, says)
		}
	}
}

// What is exported is what the bench trains: the same model, parameters and batches.
func TestBenchEngineExports(t *testing.T) {
	dir := t.TempDir()
	f := benchOf(2)
	f.export = dir
	if err := f.run(t.Context(), new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	size := measure.Sizes()[0]
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := model.ParseConfig(text); err != nil || m != size.Model {
		t.Fatalf("%+v, %v", m, err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, "bench.json")); err != nil {
		t.Fatal(err)
	}
	var x benchFile
	if err := json.Unmarshal(text, &x); err != nil || len(x.Batches) != measure.WarmSteps+2 || !slices.Equal(x.Batches[1].Targets, size.Batch(1).Targets.IDs) {
		t.Fatalf("%d batches, %v", len(x.Batches), err)
	}
	got, want := exportedParams(t, dir, size.Model)
	if !slices.Equal(got, want) {
		t.Fatal("other parameters")
	}
}

func exportedParams(t *testing.T, dir string, m model.Llama) (got, want tensor.Flat) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := model.Layout(m)
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
	got, want = make(tensor.Flat, l.Len()), make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, got, src); err != nil {
		t.Fatal(err)
	}
	if err := model.Init(m, measure.BenchSeed, want); err != nil {
		t.Fatal(err)
	}
	return got, want
}
