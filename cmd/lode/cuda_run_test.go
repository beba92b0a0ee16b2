package main

// This file tests a run on a card, by the stand-in for NVIDIA's libraries: real processes,
// in both precisions, beside one on the processor, with cards that are lost.

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lode/engine/cuda/cudatest"
)

// A validator and workers on cards train with a worker on the processor. A card that comes
// back is opened again; from one that does not, --engine auto goes on with the processor and
// --engine cuda stops; and every merge can be recomputed.
func TestRunOnCards(t *testing.T) {
	bin, folder, dir := program(t), cudatest.Folder(t, cudatest.Kernels()), t.TempDir()
	put(t, filepath.Join(dir, "corpus.txt"), []byte(strings.Repeat("round and round the garden, like a teddy bear; ", 1000)))
	put(t, filepath.Join(dir, "run.yaml"), []byte(`model: {dim: 16, layers: 1, heads: 2, kv_heads: 1, ffn: 24, context: 16}
data: {path: corpus.txt, piece: 2048}
train: {inner_steps: 2, rows: 2, steps: 16}
score: {rows: 2, held_out: 2}
`))
	command := func(card string, args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "LODE_CUDA_PATH="+folder, "LODE_FAKE_CUDA="+card)
		return c
	}
	c := inBackground(t, command("", "coordinator", "run.yaml", "--dir", "c", "--listen", "127.0.0.1:0"))
	invite := c.await(t, `'(lode://[^']*\?invite=[^']*)'`)
	link, _, _ := strings.Cut(invite, "?")
	for card, says := range map[string]string{"memory=1000000": "give more with --card-memory", "driver=11040": "install NVIDIA's driver"} {
		if out, err := command(card, "worker", link, "--dir", "none", "--engine", "cuda").CombinedOutput(); err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v\n%s", card, err, out)
		}
	}
	validator := inBackground(t, command("", "validator", invite, "--dir", "v", "--engine", "cuda"))
	worker := func(name, card string, flags ...string) *background {
		return inBackground(t, command(card, append([]string{"worker", link, "--dir", name, "--threads", "1"}, flags...)...))
	}
	// About as many calls as a few rounds have.
	comesBack := worker("half", "lose=400", "--engine", "cuda", "--precision", "bf16")
	goesOn := worker("auto", "lose=400 heals=0", "--engine", "auto", "--precision", "bf16")
	stops := worker("stops", "lose=400 heals=0", "--engine", "cuda")
	processor := worker("cpu", "")
	stops.await(t, `lode: worker: (engine is lost.*start the program anew.*--engine auto goes on with the processor)`)
	<-stops.ended
	comesBack.await(t, `(?s)starting it again.*"round":[0-9]+,"update":"(ok)"`)
	goesOn.await(t, `(?s)starting it again.*"engine":"(cpu).*no card is used.*connected to the run.*"update":"ok"`)
	processor.await(t, `"update":"(ok)"`)
	for _, b := range []*background{comesBack, goesOn, processor, validator} {
		if b.stop(t); b.cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("%v: %v", b.cmd.Args, b.cmd.ProcessState)
		}
	}
	c.stop(t)
	if out, err := command("", "verify", "c").CombinedOutput(); err != nil || !strings.Contains(string(out), "everything is as it must be") {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// lode up gives each process its share of the card, and refuses one that is not there.
func TestUpOnACard(t *testing.T) {
	bin, dir := program(t), filepath.Join(t.TempDir(), "run")
	t.Setenv("LODE_CUDA_PATH", cudatest.Folder(t, cudatest.Kernels()))
	plan := filepath.Join(t.TempDir(), "run.yaml")
	put(t, plan, []byte("model: {dim: 16, layers: 1, heads: 2, kv_heads: 1, ffn: 24, context: 16}\ntrain: {inner_steps: 2, rows: 2, steps: 16}\nscore: {rows: 2, held_out: 2}\n"))
	put(t, filepath.Join(dir, "..", "corpus.txt"), []byte(strings.Repeat("like a teddy bear; ", 2000)))
	up := []string{"up", plan, "--dir", dir, "--data", filepath.Join(dir, "..", "corpus.txt"), "--workers", "1", "--validators", "1", "--rounds", "2"}
	out := lode(t, bin, nil, append(up, "--engine", "cuda", "--precision", "bf16", "--log-level", "info")...)
	if strings.Count(out, "is experimental") != 1 || !strings.Contains(out, "each may take 483 MB of a card") {
		t.Errorf("what is said of the card:\n%s", out)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "worker-1.log"))
	if err != nil || !strings.Contains(string(log), "of 483 MB") || !strings.Contains(string(log), `"train_s":`) {
		t.Errorf("%v\n%s\n%s", err, out, log)
	}
	if out := lode(t, bin, nil, "verify", dir); !strings.Contains(out, "everything is as it must be") {
		t.Errorf("verify: %s", out)
	}
	write := []string{"generate", "--model", filepath.Join(dir, "store"), "--temperature", "0", "--tokens", "24", "like a"}
	want := lode(t, bin, nil, write...)
	for _, kind := range []string{"cuda", "auto"} {
		if got := lode(t, bin, nil, append(write, "--engine", kind)...); got != want || len(got) < 24 {
			t.Errorf("%s writes %q, the processor %q", kind, got, want)
		}
	}
	if out, err := exec.Command(bin, append(up, "--engine", "cuda", "--device", "cuda:3")...).CombinedOutput(); err == nil || !strings.Contains(string(out), "counted from 0") {
		t.Errorf("a card that is not there: %v\n%s", err, out)
	}
}
