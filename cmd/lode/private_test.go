package main

// This file tests runs whose workers have data of their own: lode up and the commands
// that join one.

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/model"
)

// mnist is a folder with the test set of MNIST.
func mnist(t *testing.T) string {
	t.Helper()
	dir := filepath.Dir(text(t))
	if _, err := os.Stat(filepath.Join(dir, "t10k-images-idx3-ubyte.gz")); err != nil {
		t.Skipf("LODE_SHARED: %v", err)
	}
	return dir
}

const mnistPlan = "../../docs/mnist-private.yaml"

// One command shows it: digits that five workers do not share are learnt by all, over real
// connections, through the death of a worker; every merge verifies with its weights, each
// worker says how it does, and no record of theirs lies with anybody else.
func TestPrivateUp(t *testing.T) {
	bin, digits := program(t), mnist(t)
	dir := filepath.Join(t.TempDir(), "run")
	r := start(t, bin, dir, nil, mnistPlan, "--data", digits, "--workers", "4", "--validators", "2", "--rounds", "10")
	r.round(3)
	r.kill("worker-2")
	r.round(6)
	sum := r.end()
	before, after := sum["accuracy_start"].(float64), sum["accuracy"].(float64)
	t.Logf("accuracy from %.3f to %.3f, loss from %v to %v", before, after, sum["val_loss_start"], sum["val_loss"])
	if before > 0.3 || after < 0.7 || sum["val_loss"].(float64) > sum["val_loss_start"].(float64)/2 {
		t.Errorf("accuracy went from %.3f to %.3f, loss from %v to %v", before, after, sum["val_loss_start"], sum["val_loss"])
	}
	for _, w := range sum["workers"].([]any) {
		w := w.(map[string]any)
		own, _ := w["own"].(map[string]any)
		if own == nil || w["accepted"].(float64) < 3 {
			t.Errorf("%v was accepted %v times, and says of its own data %v", w["id"], w["accepted"], own)
			continue
		}
		if q := own["after"].(map[string]any); q["samples"].(float64) < 10 || q["accuracy"].(float64) < 0.5 {
			t.Errorf("%v says %v", w["id"], q)
		}
	}
	if out := lode(t, bin, nil, "verify", dir); !strings.Contains(out, "everything is as it must be") {
		t.Errorf("verify: %s", out)
	}
	stays(t, dir)
	if out := lode(t, bin, nil, "up", mnistPlan, "--dir", dir); !strings.Contains(out, "finished after") {
		t.Errorf("the same plan again: %s", out)
	}
}

// stays checks that what the workers of a run have to themselves is in no file but theirs.
func stays(t *testing.T, dir string) {
	t.Helper()
	known := map[string]bool{} // runs of pixels that are not all white or black
	const run = 12
	owns, err := filepath.Glob(filepath.Join(dir, "worker-*", "own.bin"))
	if err != nil || len(owns) != 4 {
		t.Fatalf("%v, %v", owns, err)
	}
	for _, path := range owns {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+run <= len(b); i += 5 {
			if s := b[i : i+run]; bytes.IndexByte(s, 0) < 0 && bytes.Count(s, []byte{255}) < 3 && !strings.Contains(string(s), "\xfe\xfe\xfe") {
				known[string(s)] = true
			}
		}
	}
	corpus, err := os.ReadFile(filepath.Join(dir, "data", "corpus.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+run <= len(corpus); i++ { // other examples, some of them alike in places
		delete(known, string(corpus[i:i+run]))
	}
	if len(known) < 1000 {
		t.Fatalf("%d runs of pixels are too few to look for", len(known))
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "own.bin" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for i := 0; i+run <= len(b); i++ {
			if known[string(b[i:i+run])] {
				return fmt.Errorf("%s has pixels of a worker's own at byte %d", path, i)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("%d files: %v", files, err)
	}
}

// Text is dealt in passages, of which each worker has its own.
func TestPrivateText(t *testing.T) {
	bin, corpus := program(t), text(t)
	plan := filepath.Join(t.TempDir(), "run.yaml")
	if err := os.WriteFile(plan, []byte(`name: own text
data: {mode: private, split: iid, piece: 4KiB}
train: {inner_steps: 5}
merge: {max_samples: 100000}
score: {examine: 0}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	sum := start(t, bin, dir, nil, plan, "--data", corpus, "--workers", "2", "--validators", "1", "--rounds", "4").end()
	if now, then := sum["val_loss"].(float64), sum["val_loss_start"].(float64); now > then-0.5 {
		t.Errorf("held-out loss went from %.3f to %.3f only", then, now)
	}
	out := lode(t, bin, nil, "verify", dir)
	if !strings.Contains(out, "everything is as it must be") {
		t.Errorf("verify: %s", out)
	}
}

// What does not fit is told before anybody joins, with what to do.
func TestPrivateRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	examined := file("examined.yaml", "data: {mode: private}\n")
	undealt := file("undealt.yaml", "data: {mode: private}\nscore: {examine: 0}\n")
	assigned := file("assigned.yaml", "data: {split: iid}\n")
	weighed := file("weighed.yaml", "merge: {max_samples: 9}\n")
	odd := file("odd.yaml", "data: {mode: private, split: odd}\nscore: {examine: 0}\n")
	labelled := file("labelled.yaml", "data: {mode: private, split: \"labels:1\"}\nscore: {examine: 0}\n")
	torch := file("torch.yaml", "model: {family: torch, config: "+file("config.json", string(model.Custom{
		Factory: "nano:build", Source: strings.Repeat("0", 64),
		Inputs: engine.Port{Shape: []int{64}, Series: true, Limit: 256}, Targets: engine.Port{Shape: []int{64}, Series: true, Limit: 256},
		Tensors: []model.CustomTensor{{Name: "w", Shape: []int{4}}},
	}.Config()))+"}\n")
	words := file("words.txt", strings.Repeat("some words\n", 1000))
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"coordinator", examined}, "score.examine: is 3, but with data.mode private"},
		{[]string{"up", undealt, "--data", words}, "say with data.split"},
		{[]string{"coordinator", mnistPlan}, "data.split is for lode up"},
		{[]string{"coordinator", assigned}, "data.split: is \"iid\", but only data of data.mode private"},
		{[]string{"coordinator", weighed}, "merge.max_samples: is 9, but with data.mode assigned"},
		{[]string{"coordinator", odd}, "no rule \"odd\""},
		{[]string{"up", labelled, "--data", words}, "text has no labels"},
		{[]string{"up", mnistPlan, "--data", words}, "no whole number of records of 785"},
		{[]string{"up", torch, "--data", words}, "lode up runs no model.family torch"},
		{[]string{"up", "--adversaries", "boast=1", "--data", words}, "merge.max_samples 0"},
		{[]string{"train", undealt}, "data.mode is private"},
		{[]string{"worker", "lode://x", "--split", "iid"}, "--split and --part go together"},
		{[]string{"worker", "lode://x", "--split", "iid", "--part", "3/2"}, "--part is \"3/2\""},
		{[]string{"worker", "lode://x", "--split", "odd", "--part", "1/2"}, "--split: "},
		{[]string{"worker", "lode://x", "--keep-back", "1"}, "--keep-back is 1"},
	} {
		folder := "--dir"
		if c.args[0] == "train" {
			folder = "--output"
		}
		var out, errs bytes.Buffer
		code := run(append(c.args, folder, filepath.Join(t.TempDir(), "none")), strings.NewReader(""), &out, &errs)
		if code == 0 || !strings.Contains(errs.String(), c.says) {
			t.Errorf("lode %s: exit %d, want %q\n%s", strings.Join(c.args, " "), code, c.says, errs.String())
		}
	}
}
