package main

// This file tests lode doctor, and the choice of a card.

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
)

// visit returns what the doctor finds, by name.
func visit(t *testing.T) (code int, found map[string]finding) {
	t.Helper()
	code, out, errs := call(t, "doctor", "--json")
	var r struct {
		Findings []finding
		Well     bool
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Well != (code == 0) {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	found = map[string]finding{}
	for _, f := range r.Findings {
		found[f.What] = f
	}
	return code, found
}

// The doctor tries a card, says what is wrong with one, and is content with none.
func TestDoctor(t *testing.T) {
	t.Setenv("LODE_CUDA_PATH", t.TempDir())
	if code, found := visit(t); code != 0 || found["driver"].State != isAbsent || found["processor"].State != isGood || !strings.Contains(found["engine"].Text, "would take cpu") {
		t.Errorf("without a card: exit %d, %v", code, found)
	}
	here := t.TempDir()
	if _, out, _ := call(t, "doctor", "--dir", here); !strings.Contains(out, "where "+here+" is") {
		t.Errorf("with a folder:\n%s", out)
	}
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2")
	t.Setenv("LODE_CUDA_PATH", card.Folder)
	code, found := visit(t)
	if code != 0 || !strings.Contains(found["card 1"].Text, "in float32 and bf16; products of bf16 have about") || !strings.Contains(found["engine"].Text, "would take cuda") {
		t.Errorf("with two cards: exit %d, %v", code, found)
	}
	if found["NCCL"].State != isGood || !strings.Contains(found["NCCL"].Text, "2.21.5") || found["between cards"].Text != "each reads the memory of each" {
		t.Errorf("between two cards: %v, %v", found["NCCL"], found["between cards"])
	}
	if f := found["all cards"]; f.State != isGood || f.Text != "together they compute what the processor does, by NCCL 2.21.5" {
		t.Errorf("two cards together: %v", f)
	}
	card.Configure("devices=2 unlike=1")
	if code, found = visit(t); code != 0 || found["all cards"].State != isAbsent {
		t.Errorf("cards of two kinds: exit %d, %v", code, found["all cards"])
	}
	card.Configure("devices=2 peers=0 nccl=21000")
	code, found = visit(t)
	if code != 0 || found["NCCL"].State != isAbsent || !strings.Contains(found["NCCL"].Text, "wanted is 2.16.0") || !strings.Contains(found["between cards"].Text, "through the memory of the host, which is slower: card 0 from 1, 1 from 0") {
		t.Errorf("without a way between cards: exit %d, %v, %v", code, found["NCCL"], found["between cards"])
	}
	for config, c := range map[string]struct{ what, says string }{
		"driver=11040":          {"driver", "525"},
		"capability=70":         {"card 0", "compute capability 7.0, wanted is 8.0"},
		"memory=1000000":        {"card 0", "at the least"},
		"devices=2 nccl_fail=2": {"all cards", "internal error"},
		"blas=110000":           {"cuBLASLt", "pip install"},
	} {
		card.Configure(config)
		code, found := visit(t)
		if code != exitFailed || found[c.what].State != isBad || !strings.Contains(found[c.what].Text, c.says) {
			t.Errorf("%s: exit %d, %v", config, code, found[c.what])
		}
	}
	card.Configure("")
	code, out, _ := call(t, "doctor")
	if code != 0 || !strings.Contains(out, "card 0") || !strings.Contains(out, "cuBLASLt") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// auto takes a card for what has kernels, and goes on without one; cuda stops.
func TestAutoTakesACard(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "devices=2")
	t.Setenv("LODE_CUDA_PATH", card.Folder)
	m := model.MLP{Input: []int{3}, Hidden: []int{5}, Activation: model.ReLU, Classes: 2}
	settled := func(m model.Model, flags ...string) *engineFlags {
		t.Helper()
		f := newEngineFlags()
		f.engine, f.device = autoEngine, strings.Join(flags, "")
		f.settle(m)
		return &f
	}
	f := settled(m, "cuda:1")
	if f.engine != "cuda" || f.passed != nil {
		t.Fatalf("%s: %v", f.engine, f.passed)
	}
	for device, name := range map[string]string{"cuda:1": "cuda:1 Stand-in 1", "cuda:all": "cuda:0,1 Stand-in 0", "cuda:1,0": "cuda:1,0 Stand-in 1", "cuda:0-1": "cuda:0,1 Stand-in 0", "": "cuda:0 Stand-in 0"} {
		f := settled(m, device)
		e, on, err := engines[f.engine].open(f, opening{model: m, work: model.Work{Loads: []model.Load{{Rows: 4, Steps: 1}}}, log: zerolog.Nop()})
		if err != nil || on != name {
			t.Fatalf("%s: on %s: %v", device, on, err)
		}
		if _, err := e.Step(enginetest.Batch(rand.New(rand.NewPCG(1, 1)), m, 4, 1), engine.Hyper{Rate: 1e-3}); err != nil {
			t.Error(err)
		}
		if cards := e.(cardEngine).Plan().Cards; cards != 1+strings.Count(name, ",") {
			t.Errorf("%s: planned for %d cards", device, cards)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	wide := model.Default()
	wide.Dim, wide.Heads, wide.KVHeads = 260, 1, 1
	if f := settled(wide); f.engine != "cpu" || !strings.Contains(f.passed.Error(), "no kernel") {
		t.Errorf("a text model of a wide head: %s, %v", f.engine, f.passed)
	}
	if f := settled(model.Default()); f.engine != "cuda" {
		t.Errorf("a text model: %s, %v", f.engine, f.passed)
	}
	if f := settled(m, "cuda:0-2"); f.engine != "cpu" || !strings.Contains(f.passed.Error(), "there are 2") {
		t.Errorf("one card of three that there is not: %s, %v", f.engine, f.passed)
	}
	if f := settled(m, "cuda:7"); f.engine != "cpu" || !strings.Contains(f.passed.Error(), "there are 2") {
		t.Errorf("a card that there is not: %s, %v", f.engine, f.passed)
	}
	card.Configure("devices=0")
	if f := settled(m); f.engine != "cpu" || f.passed == nil {
		t.Errorf("no card: %s, %v", f.engine, f.passed)
	}
}

// A run trains on the card as on the processor, and says so where there is none.
func TestTrainOnACard(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	table, records := file("t.csv", "a,b,kind\n"+strings.Repeat("0,1,left\n1,0,right\n0.5,0.5,none\n", 200)), filepath.Join(dir, "t.bin")
	if code, _, errs := call(t, "data", "records", table, "-o", records); code != 0 {
		t.Fatal(errs)
	}
	runFile := file("run.yaml", "name: table\nmodel: {family: mlp, input: [2], hidden: [8], classes: 3}\n"+
		"data: {tokenizer: records, path: "+records+", piece: 96, held_out: 0.1}\ntrain: {steps: 1, rows: 4, inner_steps: 2}\nscore: {rows: 16, held_out: 16}\n")
	card := cudatest.Use(t, cudatest.Kernels(), "")
	losses := map[string]string{}
	for _, e := range []string{"cpu", "cuda"} {
		t.Setenv("LODE_CUDA_PATH", card.Folder)
		code, out, errs := call(t, "train", runFile, "--engine", e, "-o", filepath.Join(dir, e), "--steps", "4", "--eval-tokens", "16")
		if code != 0 {
			t.Fatalf("%s: exit %d\n%s%s", e, code, out, errs)
		}
		if e == "cuda" && (!strings.Contains(errs, "the card gives") || !strings.Contains(errs, "Stand-in 0")) {
			t.Errorf("what is said of the card: %s", errs)
		}
		_, after, _ := strings.Cut(out, "held-out loss ")
		losses[e], _, _ = strings.Cut(after, " nats")
	}
	if losses["cpu"] == "" || losses["cpu"] != losses["cuda"] {
		t.Errorf("losses %v", losses)
	}
	card.Configure("memory=1000000")
	code, out, errs := call(t, "train", runFile, "--engine", "auto", "-o", filepath.Join(dir, "auto"), "--steps", "4", "--eval-tokens", "16")
	if code != 0 || !strings.Contains(errs+out, "no card is used") || !strings.Contains(out, "held-out loss "+losses["cpu"]) {
		t.Errorf("auto, on a card without memory: exit %d\n%s%s", code, out, errs)
	}
	t.Setenv("LODE_CUDA_PATH", dir)
	code, _, errs = call(t, "train", runFile, "--engine", "cuda", "-o", filepath.Join(dir, "none"), "--steps", "4")
	if code != exitFailed || !strings.Contains(errs, "install NVIDIA's driver") {
		t.Errorf("without a card: exit %d, %s", code, errs)
	}
}
