package main

// This file tests how lode up deals data.

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/cmd/lode/internal/plan"
)

// dealing is a house whose run is on data at a path, before it deals.
func dealing(t *testing.T, yaml, path, field, bad string) (*house, plan.Plan, *bytes.Buffer) {
	t.Helper()
	p, err := plan.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	var says bytes.Buffer
	who := cast{Workers: []string{"worker-1", "worker-2"}}
	return &house{dir: t.TempDir(), flags: &upFlags{}, stderr: &says, state: upState{Data: path, Field: field, Bad: bad, Seed: 1, Cast: who, Tokenizer: p.Tokenizer}}, p, &says
}

// Pictures that are bad, as is seen when they are opened or only when they are read, are
// left out by name, or refused if that is asked for.
func TestDealLeavesOut(t *testing.T) {
	dir := t.TempDir()
	var file bytes.Buffer
	for i := range 60 {
		img := image.NewGray(image.Rect(0, 0, 4, 4))
		img.SetGray(i%4, i/4%4, color.Gray{uint8(i)})
		file.Reset()
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		b := file.Bytes()
		switch i {
		case 7:
			b = b[:40] // after its header
		case 9:
			b = []byte("no picture")
		}
		put(t, filepath.Join(dir, fmt.Sprint(i%2), fmt.Sprintf("%d.png", i)), b)
	}
	const yaml = `name: pictures
model: {family: mlp, input: [1, 4, 4], hidden: [4], classes: 2}
data: {path: pictures, mode: private, split: iid, tokenizer: records, piece: 340}
train: {steps: 1}
score: {examine: 0}
`
	h, p, says := dealing(t, yaml, dir, "text", "skip")
	d, err := h.deal(t.Context(), p, h.state.Cast.Workers)
	if err != nil {
		t.Fatalf("%v\n%s", err, says)
	}
	total := 0
	for _, path := range append(d.own, d.corpus) {
		b, err := os.ReadFile(path)
		if err != nil || len(b)%17 != 0 {
			t.Errorf("%s: %d bytes, %v", path, len(b), err)
		}
		total += len(b) / 17
	}
	if total != 58 || strings.Count(says.String(), "left out: ") != 2 || !strings.Contains(says.String(), "7.png") || !strings.Contains(says.String(), "9.png") {
		t.Errorf("%d of 58 pictures are dealt:\n%s", total, says)
	}
	h, p, _ = dealing(t, yaml, dir, "text", "refuse")
	if _, err := h.deal(t.Context(), p, h.state.Cast.Workers); err == nil || !strings.Contains(err.Error(), "9.png") {
		t.Errorf("bad pictures that are refused: %v", err)
	}
}

// Text is dealt from the field that it is in, and read again from the one it is dealt in.
func TestDealField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text.jsonl")
	put(t, path, bytes.Repeat([]byte("{\"content\":\""+strings.Repeat("words and words ", 300)+"\"}\n"), 40))
	h, p, says := dealing(t, "name: text\ndata: {mode: private, split: iid, piece: 4KiB}\nscore: {examine: 0}\n", path, "content", "skip")
	d, err := h.deal(t.Context(), p, h.state.Cast.Workers)
	if err != nil {
		t.Fatalf("%v\n%s", err, says)
	}
	h.state.Corpus = d.corpus
	if err := h.openCorpus(t.Context(), p.Run.Data.Piece, p.Width()); err != nil {
		t.Fatal(err)
	}
	defer h.corpus.Close()
	if !strings.HasPrefix(h.corpus.Name, d.corpus) || h.corpus.Index.Bytes < 20000 {
		t.Errorf("the corpus is %s of %d bytes", h.corpus.Name, h.corpus.Index.Bytes)
	}
}
