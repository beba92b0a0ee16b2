package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine/kernel"
	"lode/engine/model"
)

func smallModel() model.Llama {
	m := model.Default()
	m.Dim, m.Heads, m.KVHeads, m.FFN, m.Vocab, m.Context, m.Layers = 36, 6, 3, 50, 64, 32, 2
	return m
}

// TestWindowMatchesGraph: feeding tokens one by one must give the losses that the
// graph finds for the whole sequence.
func TestWindowMatchesGraph(t *testing.T) {
	for _, tied := range []bool{true, false} {
		m := smallModel()
		m.Tied = tied
		e := newEngine(t, m, Options{})
		b := testBatch(rand.New(rand.NewPCG(3, 3)), 1, m.Context, m.Vocab)
		want, err := e.Loss(b)
		if err != nil {
			t.Fatal(err)
		}
		w, got := e.newWindow(m), 0.0
		for i, id := range b.Inputs.IDs {
			w.feed(id)
			logits := w.score()
			target := logits[b.Targets.IDs[i]]
			top, sum := kernel.Softmax(logits, 1)
			got += float64(top) + math.Log(float64(sum)) - float64(target)
		}
		if got /= float64(m.Context); math.Abs(got-want) > 1e-5 {
			t.Fatalf("tied %v: loss is %v token by token, %v as a batch", tied, got, want)
		}
	}
}

// TestWindowSlides: in a model of one layer, a token sees the last Context tokens
// and nothing else, so two texts that agree there must agree in their logits.
func TestWindowSlides(t *testing.T) {
	m := smallModel()
	m.Layers = 1
	e := newEngine(t, m, Options{})
	r := rand.New(rand.NewPCG(5, 5))
	a, b := e.newWindow(m), e.newWindow(m)
	for range m.Context + 5 {
		a.feed(int32(r.IntN(m.Vocab)))
		b.feed(int32(r.IntN(m.Vocab)))
	}
	for range m.Context {
		id := int32(r.IntN(m.Vocab))
		a.feed(id)
		b.feed(id)
	}
	x, y := a.score(), b.score()
	for i := range x {
		if math.Abs(float64(x[i]-y[i])) > 1e-6 {
			t.Fatalf("logit %d is %v and %v", i, x[i], y[i])
		}
	}
}
