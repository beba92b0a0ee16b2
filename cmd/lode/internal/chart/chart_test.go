package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"lode/cmd/lode/internal/chart"
)

func figure() chart.Figure {
	return chart.Figure{
		Title: "A & B < C", Note: "note", X: "epoch", Y: "share", Lines: []string{"one", "two"},
		Columns: []string{"left", "right"}, Level: 1, Top: 3,
		Rows: []chart.Row{{"row", "detail", [][][]float64{{{0, 1, 9}, {1, 2, 3}}, {{}, {1}}}}},
	}
}

// What is drawn is well-formed, names everything, and cuts off what is too large.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := figure().Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	dec := xml.NewDecoder(strings.NewReader(text))
	numPaths := 0
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "path" {
			numPaths++
		}
	}
	if want := 2 + 2*(4+1+2); numPaths != want { // legend; ticks, level and lines of two panels
		t.Errorf("%d paths, want %d", numPaths, want)
	}
	for _, s := range []string{"A &amp; B &lt; C", "note", "epoch", "share", ">one<", ">two<", ">left<", ">right<", ">row<", ">detail<"} {
		if !strings.Contains(text, s) {
			t.Errorf("%q is not drawn", s)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error(text)
	}
	if !strings.Contains(text, "L444.0 118.0") { // 9 of 3, at the upper right corner
		t.Errorf("what passes the top is not cut: %s", text)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriteFails(t *testing.T) {
	if figure().Write(full{}) == nil {
		t.Error("a full disk is not noticed")
	}
}

func TestCeiling(t *testing.T) {
	for top, want := range map[float64]float64{0.9: 0.9, 0.95: 1, 1: 1, 1.3: 1.5, 2: 2.4, 2.5: 3, 4: 4, 9: 4} {
		if got := chart.Ceiling(4, 0.1, top); got != want {
			t.Errorf("%v: %v, want %v", top, got, want)
		}
	}
}
