package model_test

// This file holds the worked example of docs/models.md, gated_test.go, to what the
// document says of it.

import (
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/tensor"
)

// TestDocumentShowsTheExample: the code in the document is the code that is compiled.
func TestDocumentShowsTheExample(t *testing.T) {
	code, err := os.ReadFile("gated_test.go")
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), "```go\n"+string(code)+"```\n") {
		t.Error("docs/models.md does not show gated_test.go as it is")
	}
}

// TestExampleTrains: the new family runs on the processor's engine and the reference,
// with no other code, and learns; its config comes back.
func TestExampleTrains(t *testing.T) {
	m := model.Gated{Columns: 5, Width: 8, Blocks: 2}
	if back, err := model.ParseGated(m.Config()); err != nil || back != m {
		t.Fatalf("config came back as %+v, %v", back, err)
	}
	e, err := cpu.New(m, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ref, err := enginetest.NewReference(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, dst := range []tensor.Writer{e.Params(), ref} {
		if err := model.Init(m, [32]byte{1}, dst); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	var first, last float64
	for i := range 60 {
		b := enginetest.Batch(r, m, 1, 32)
		want := ref.Loss(b)
		if last, err = e.Step(b, engine.Hyper{Rate: 1e-2}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if first = last; math.Abs(last-want) > 1e-5 {
				t.Fatalf("loss is %v, want %v", last, want)
			}
		}
	}
	if last > first/3 {
		t.Errorf("loss went from %v to %v", first, last)
	}
}
