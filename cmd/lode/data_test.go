package main

// This file tests the commands about data and tokenizers, and a run on tokens.

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/checkpoints"
)

// call runs a command in this process and returns what it printed.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestDataCommands(t *testing.T) {
	dir := t.TempDir()
	words := strings.Repeat("it was the best of times, it was the worst of times\n", 2000)
	for name, text := range map[string]string{"a.txt": words, "b.jsonl": "{\"body\":\"one more\"}\nbad\n", "c.parquet": "no table"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	vocab, out := filepath.Join(t.TempDir(), "tokenizer.json"), filepath.Join(t.TempDir(), "prepared")
	prepare := []string{"data", "prepare", dir, "--field", "body", "--tokenizer", vocab, "-o", out, "--piece", "1024"}
	for _, c := range []struct {
		args       []string
		code       int
		want, errs string
	}{
		{[]string{"tokenizer", "train", dir, "--vocab", "275", "-o", vocab, "--bad", "refuse"}, exitFailed, "", "b.jsonl: record 1: has no such field"},
		{[]string{"tokenizer", "train", dir, "--vocab", "275", "--field", "body", "-o", vocab}, 0, "has 275 tokens", "left out: " + filepath.Join(dir, "c.parquet")},
		{[]string{"tokenizer", "train", dir, "--vocab", "9000", "--field", "body", "-o", vocab}, exitFailed, "", "too short or too uniform"},
		{[]string{"tokenizer", "train", dir, "--vocab", "2"}, exitUsage, "", "--vocab is 2"},
		{prepare, 0, "2 documents", "record 2: is no JSON object"},
		{prepare, 0, "1 bad files, 1 bad records", ""},
		{append(prepare, "--shard", "1"), exitFailed, "", "holds other data"},
		{append(prepare, "--bad", "ignore"), exitUsage, "", "it can be skip or refuse"},
		{[]string{"data", "prepare"}, exitUsage, "", "at least 1 arg"},
		{[]string{"data", "prepare", filepath.Join(dir, "none"), "-o", out}, exitFailed, "", "no such file"},
		{[]string{"data", "show", out}, 0, "of 275 different ones", ""},
		{[]string{"data", "show", out, "--json"}, 0, `"bad_records":1`, ""},
		{[]string{"data", "show", dir}, exitFailed, "", "no such file"},
		{[]string{"data", "check", out}, 0, "pieces are what they were", ""},
	} {
		code, stdout, stderr := call(t, c.args...)
		if code != c.code || !strings.Contains(stdout, c.want) || !strings.Contains(stderr, c.errs) {
			t.Errorf("lode %v: code %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
	tokens := filepath.Join(out, "tokens-00000.bin")
	b, err := os.ReadFile(tokens)
	if err != nil {
		t.Fatal(err)
	}
	b[2000] ^= 1
	if err := os.WriteFile(tokens, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, "data", "check", out); code != exitFailed || !strings.Contains(stderr, "are not what they were, the first ones [1]") {
		t.Errorf("a changed piece: code %d, %s", code, stderr)
	}
}

// A vocabulary is learnt, text prepared with it, and a model trained on the tokens
// that writes text; its checkpoint carries the tokenizer.
func TestRunOnTokens(t *testing.T) {
	bin, corpus := program(t), text(t)
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache")}
	vocab, prepared, dir, model := filepath.Join(home, "t.json"), filepath.Join(home, "prepared"), filepath.Join(home, "run"), filepath.Join(home, "model")
	lode(t, bin, env, "tokenizer", "train", corpus, "--vocab", "1024", "-o", vocab)
	lode(t, bin, env, "data", "prepare", corpus, "--tokenizer", vocab, "-o", prepared)

	r := start(t, bin, dir, env, "--data", prepared, "--workers", "1", "--validators", "1", "--rounds", "2")
	if end := r.end(); end["val_loss"].(float64) >= end["val_loss_start"].(float64) {
		t.Errorf("nothing was learnt: %v", end)
	}
	lode(t, bin, env, "pull", dir, "-o", model)
	want, err := os.ReadFile(vocab)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(model, checkpoints.TokenizerFile)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the checkpoint's tokenizer: %v", err)
	}
	if out := lode(t, bin, env, "generate", "To be, or", "--model", model, "--tokens", "8"); !strings.HasPrefix(out, "To be, or") || len(out) < 12 {
		t.Errorf("it wrote %q", out)
	}
	lode(t, bin, env, "verify", dir)

	// The same from the text itself, prepared in the cache: the same data.
	other := start(t, bin, filepath.Join(home, "other"), env, "--data", corpus, "--tokenizer", vocab, "--workers", "1", "--validators", "1", "--rounds", "1")
	other.end()
	was, err := readManifest(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	is, err := readManifest(filepath.Join(other.dir, manifestName))
	if err != nil || is.Data != was.Data {
		t.Errorf("prepared beforehand: %+v\nin the cache: %+v, %v", was.Data, is.Data, err)
	}
}

// Data comes out of S3, text as well as what was prepared.
func TestDataFromS3(t *testing.T) {
	bin, corpus, env := program(t), text(t), s3(t)
	home := t.TempDir()
	env = append(env, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"))
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	prepared, again := filepath.Join(home, "prepared"), filepath.Join(home, "again")
	lode(t, bin, env, "data", "prepare", corpus, "-o", prepared)
	store, err := checkpoints.Open(t.Context(), "s3://models/corpora", checkpoints.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, path string) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil {
			err = store.Put(t.Context(), name, f, info.Size())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("raw/text.txt", corpus)
	for _, name := range []string{"lode-data.json", "index", "tokens-00000.bin"} {
		put("prepared/"+name, filepath.Join(prepared, name))
	}
	lode(t, bin, env, "data", "prepare", "s3://models/corpora/raw", "-o", again)
	want, err := os.ReadFile(filepath.Join(prepared, "lode-data.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(again, "lode-data.json")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: prepared from S3:\n%s\nfrom the file:\n%s", err, got, want)
	}
	for _, address := range []string{"s3://models/corpora/raw/text.txt", "s3://models/corpora/prepared"} {
		out := lode(t, bin, env, "bench", "train", "--data", address, "--rounds", "1", "--workers", "honest", "--set", "train.inner_steps=1")
		if !strings.Contains(out, "on "+address) && !strings.Contains(out, "(1.1 MB)") {
			t.Errorf("%s: %s", address, out)
		}
	}
}
