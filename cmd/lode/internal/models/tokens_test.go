package models_test

// This file tests models whose tokens are not bytes.

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/cmd/lode/internal/models"
	"lode/data"
	"lode/data/documents"
	"lode/data/shards"
	"lode/data/tokenizer"
	"lode/protocol"
)

// learnt returns a tokenizer of 264 tokens and its file.
func learnt(t *testing.T, text string) (tokenizer.Tokenizer, []byte) {
	t.Helper()
	c := tokenizer.NewCount()
	c.Add([]byte(text))
	b, err := c.Train(t.Context(), 264, nil)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return tok, b
}

// A model writes text of its tokenizer's tokens, and what it predicts is counted
// per byte as well.
func TestTokens(t *testing.T) {
	text := strings.Repeat("the theatre there\n", 400)
	tok, file := learnt(t, text)
	l := small(t, false, 264) // all tokens equally likely
	l.Tokenizer = tok
	if got := write(t, l, "", models.Sampling{Tokens: 50, Temperature: 1, Seed: 3}); len(got) < 50 {
		t.Errorf("it wrote %q", got)
	}
	if got := write(t, l, "the", models.Sampling{Tokens: 50}); got != "" {
		t.Errorf("the likeliest token, number 0, ends the text, but %q was written", got)
	}

	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := documents.Find(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "prepared")
	if _, err := shards.Prepare(t.Context(), dir, shards.Job{Set: set, Tokenizer: tok, File: file, Piece: 128}); err != nil {
		t.Fatal(err)
	}
	f, err := shards.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := data.NewPlan(f.Index,
		protocol.Data{
			Mode: "assigned", Tokenizer: protocol.TokenFile, Vocabulary: protocol.Sum(file), Width: 2, Index: f.Index.Digest(),
			Bytes: f.Index.Bytes, Piece: 128, HeldOut: protocol.Q16(0.25),
		},
		protocol.Train{InnerSteps: 1, Rows: 2, Steps: 16})
	if err != nil {
		t.Fatal(err)
	}
	got, err := models.Evaluate(t.Context(), l, models.Text{Plan: p, Source: f}, models.Measuring{})
	if err != nil {
		t.Fatal(err)
	}
	perToken := float64(len(text)) / float64(f.Description.Tokens)
	near := func(a, b, by float64) bool { return math.Abs(a-b) < by*b }
	if want := math.Log(264); !near(got.Nats, want, 1e-6) || got.Tokens != 3*16*p.HeldOut() || // 63 of a piece's 64 tokens are predicted, in windows of 16
		!near(float64(got.Bytes), float64(got.Tokens)*perToken, 0.05) || !near(got.NatsPerByte, want*float64(got.Tokens)/float64(got.Bytes), 1e-6) ||
		!near(got.Bits, got.NatsPerByte/math.Ln2, 1e-9) {
		t.Errorf("%+v, %v bytes a token", got, perToken)
	}
}

// A tokenizer.json beside a model is read with it; one that is not understood, or has
// more tokens than the model, stands in the way of writing alone.
func TestLoadTokenizer(t *testing.T) {
	r, store := saved(t)
	dir := t.TempDir()
	if _, err := models.Pull(t.Context(), store, models.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, checkpoints.ManifestFile)); err != nil {
		t.Fatal(err)
	}
	_, file := learnt(t, strings.Repeat("the theatre there\n", 400))
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"not understood": {[]byte(`{"model":{"type":"Unigram"}}`), "only BPE is understood"},
		"too many":       {file, "its tokenizer has 264 tokens"},
	} {
		if err := os.WriteFile(filepath.Join(dir, checkpoints.TokenizerFile), c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		l := load(t, dir, r.Saved[1].ModelRoot)
		err := models.Generate(t.Context(), l, "x", models.Sampling{Tokens: 1}, func(string) {})
		if err == nil || !strings.Contains(err.Error(), c.want) || (l.Tokenizer == nil) != errors.Is(err, tokenizer.ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
