package plan

// This file tests the plans that documents show.

import (
	"os"
	"strings"
	"testing"

	"lode/protocol"
)

// indented returns the indented block of a document that begins with a line.
func indented(t *testing.T, doc, first string) string {
	t.Helper()
	b, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n    "+first+"\n")
	if !ok {
		t.Fatalf("%s has no block that begins with %q", doc, first)
	}
	block := first + "\n"
	for line := range strings.Lines(rest) {
		text, in := strings.CutPrefix(line, "    ")
		if !in {
			break
		}
		block += text
	}
	return block
}

// What documents show of private data can be run.
func TestPlansOfDocuments(t *testing.T) {
	digits, err := os.ReadFile("../../../../docs/mnist-private.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"mnist-private": string(digits),
		"lungs":         indented(t, "../../../../docs/federated.md", "name: lungs"),
	} {
		p, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Run.Name != name || p.Run.Data.Mode != protocol.DataPrivate || p.Run.Data.Piece%p.Width() != 0 || p.Run.Merge.MaxSamples == 0 {
			t.Errorf("%s: %+v in records of %d", name, p.Run, p.Width())
		}
	}
}
