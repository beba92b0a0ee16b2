package enginetest

// This file holds the kit's checks of predictions, for engines that make them.

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
)

// predictions must be the reference's, of batches and of texts that grow.
func (k kit) predictions(t *testing.T) {
	e := k.engine(t)
	p, ok := e.(engine.Predictor)
	if !ok {
		t.Skip("the engine makes no predictions")
	}
	ref := k.reference(t)
	r := rand.New(rand.NewPCG(7, 8))
	for _, z := range [][2]int{{3, 7}, {1, 1}, {5, 33}} {
		b := Batch(r, k.model, z[0], z[1])
		b.Targets = engine.Array{}
		got, err := p.Predict(b)
		if err != nil {
			t.Fatal(err)
		}
		near(t, got, ref.Predict(b))
	}
	k.continued(t, e, ref)
	k.refusals(t, e, p)
}

// near allows a thousand float32 roundings of the largest.
func near(t *testing.T, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d predictions, want %d", len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		largest = math.Max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= 1e-4*largest) {
			t.Fatalf("prediction %d is %v, want %v", i, got[i], w)
		}
	}
}

// continued must say after each piece of a text what comes next.
func (k kit) continued(t *testing.T, e engine.Engine, ref *Reference) {
	t.Helper()
	c, ok := e.(engine.Continuer)
	inputs, _ := e.Takes()
	if !ok || !inputs.Series {
		return
	}
	next, err := c.Continue()
	if err != nil {
		t.Logf("not continued: %v", err)
		return
	}
	text := Batch(rand.New(rand.NewPCG(9, 9)), k.model, 1, 12).Inputs.IDs
	at := 0
	for _, n := range []int{3, 1, 1, 5, 2} {
		got, err := next(text[at : at+n])
		if err != nil {
			t.Fatal(err)
		}
		at += n
		near(t, got, ref.Predict(engine.Batch{Rows: 1, Inputs: engine.Array{Shape: []int{at}, IDs: text[:at]}}))
	}
	for _, bad := range [][]int32{nil, {-1}, {int32(inputs.Limit)}} {
		if _, err := next(bad); err == nil {
			t.Errorf("a text goes on with %v", bad)
		}
	}
}

// refusals: what is no batch, numbers that are none, and an engine that is closed.
func (k kit) refusals(t *testing.T, e engine.Engine, p engine.Predictor) {
	t.Helper()
	b := Batch(rand.New(rand.NewPCG(1, 1)), k.model, 2, 5)
	more := b
	more.Rows++
	if _, err := p.Predict(more); err == nil {
		t.Error("a batch with a row too many has predictions")
	}
	for c := range e.Layout().Chunks() {
		x := make([]float32, c.Len)
		for i := range x {
			x[i] = float32(math.NaN())
		}
		if err := e.Params().WriteChunk(c, x); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Predict(b); !errors.Is(err, engine.ErrNotFinite) {
		t.Errorf("predictions from NaN: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Predict(b); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
