package models_test

// This file tests writing and measuring.

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"lode/cmd/lode/internal/models"
	"lode/data"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/protocol"
)

// small returns a byte model with drawn parameters, or zeros.
func small(t testing.TB, drawn bool, vocab int) *models.Loaded {
	t.Helper()
	m := model.Llama{Dim: 8, Layers: 1, Heads: 2, KVHeads: 1, FFN: 16, Vocab: vocab, Context: 16, RopeTheta: 1e4, NormEps: 1e-5, Tied: true}
	e, err := cpu.New(m, cpu.Options{})
	if err == nil && drawn {
		err = model.Init(m, [32]byte{1}, e.Params())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return &models.Loaded{Dir: "memory", Model: m, Engine: e}
}

func write(t *testing.T, l *models.Loaded, prompt string, s models.Sampling) string {
	t.Helper()
	var b strings.Builder
	err := models.Generate(t.Context(), l, prompt, s, func(piece string) {
		if piece == "" || !utf8.ValidString(piece) {
			t.Errorf("piece %q", piece)
		}
		b.WriteString(piece)
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGenerate(t *testing.T) {
	l := small(t, true, data.Vocab)
	s := models.Sampling{Tokens: 200, Temperature: 1, Seed: 7}
	text := write(t, l, "", s)
	if n := len(text); n < 100 || text != write(t, l, "\n", s) {
		t.Errorf("%d bytes; or an empty prompt is not a line feed", n)
	}
	s.Seed++
	if text == write(t, l, "", s) {
		t.Error("another seed wrote the same")
	}
	if got := write(t, l, "größer", models.Sampling{}); got != "" {
		t.Errorf("no tokens gave %q", got)
	}
	if err := models.Generate(t.Context(), l, "x", models.Sampling{Tokens: -1}, nil); err == nil {
		t.Error("fewer than no tokens")
	}
	if err := models.Generate(t.Context(), small(t, true, 300), "x", s, nil); err == nil || !strings.Contains(err.Error(), "vocabulary of 300") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	err := models.Generate(ctx, l, "x", s, func(string) { pieces++; cancel() })
	if !errors.Is(err, context.Canceled) || pieces > 2 {
		t.Errorf("%d pieces, %v", pieces, err)
	}
}

// heldOut returns a corpus of random letters with its plan.
func heldOut(t *testing.T) (models.Text, *data.Index) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 40*100+17)
	for i := range b {
		b[i] = byte('a' + random.IntN(26))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := data.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := c.Index(t.Context(), 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := data.NewPlan(ix,
		protocol.Data{Mode: "assigned", Tokenizer: protocol.TokenBytes, Width: 1, Index: ix.Digest(), Bytes: ix.Bytes, Piece: 100, HeldOut: protocol.Q16(0.25)},
		protocol.Train{InnerSteps: 2, Rows: 2, Steps: 16})
	if err != nil {
		t.Fatal(err)
	}
	src, err := data.NewLocal(c, ix)
	if err != nil {
		t.Fatal(err)
	}
	return models.Text{Plan: p, Source: src}, ix
}

// Evaluate against its definition: one window after the other.
func TestEvaluate(t *testing.T) {
	l := small(t, true, data.Vocab)
	text, ix := heldOut(t)
	var sum float64
	var losses []float64
	for i := text.Plan.Training(); i < len(ix.Digests); i++ {
		b, err := text.Source.Piece(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at+16+1 <= len(b); at += 16 {
			inputs, targets := make([]int32, 16), make([]int32, 16)
			for j := range 16 {
				inputs[j], targets[j] = int32(b[at+j]), int32(b[at+j+1])
			}
			loss, err := l.Engine.Loss(engine.Tokens(1, 16, inputs, targets))
			if err != nil {
				t.Fatal(err)
			}
			sum += loss
			losses = append(losses, loss)
		}
	}
	close := func(a, b float64) bool { return math.Abs(a-b) < 1e-6*b } // float32 kernels, other batches
	told := 0
	got, err := models.Evaluate(t.Context(), l, text, models.Measuring{Progress: func(done, total int) { told = total - done }})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(losses); n != 60 || got.Windows != n || got.Of != n || !got.Whole || got.Tokens != 16*n || told != 0 {
		t.Errorf("%d windows, %+v", n, got)
	}
	if !close(got.Nats, sum/float64(len(losses))) || !close(got.Bits, got.Nats/math.Ln2) {
		t.Errorf("%v nats, %v bits, want %v nats", got.Nats, got.Bits, sum/float64(len(losses)))
	}
	part, err := models.Evaluate(t.Context(), l, text, models.Measuring{Tokens: 16*7 + 5})
	var want float64
	for i := range 7 {
		want += losses[i*60/7] / 7
	}
	if err != nil || part.Windows != 7 || part.Whole || !close(part.Nats, want) {
		t.Errorf("%+v, %v, want %v nats", part, err, want)
	}
}

// A model of zeros thinks all bytes equally likely: 8 bits each.
func TestEvaluateZeros(t *testing.T) {
	text, _ := heldOut(t)
	got, err := models.Evaluate(t.Context(), small(t, false, data.Vocab), text, models.Measuring{Steps: 10, Tokens: 1})
	if err != nil || math.Abs(got.Bits-8) > 1e-6 || got.Windows != 1 || got.Steps != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, m := range []models.Measuring{{Steps: 17}, {Steps: -1}, {Tokens: -1}} {
		if _, err := models.Evaluate(t.Context(), small(t, false, data.Vocab), text, m); err == nil {
			t.Errorf("%+v was measured", m)
		}
	}
	if _, err := models.Evaluate(t.Context(), small(t, false, 300), text, models.Measuring{}); err == nil {
		t.Error("a model of other tokens was measured")
	}
}
