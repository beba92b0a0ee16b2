package cpu

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
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

func generate(t *testing.T, e *Engine, n int, opt Sampling) (out []int32) {
	t.Helper()
	if err := e.Generate(context.Background(), []int32{1, 2, 3}, n, opt, func(id int32) error {
		out = append(out, id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGenerateLearntText(t *testing.T) {
	m := smallModel()
	e := newEngine(t, m, Options{})
	inputs, targets := make([]int32, 64), make([]int32, 64)
	for i := range 64 { // count upwards
		inputs[i], targets[i] = int32(i%m.Vocab), int32((i+1)%m.Vocab)
	}
	b := engine.Tokens(4, 16, inputs, targets)
	for range 150 {
		if _, err := e.Step(b, engine.Hyper{Rate: 5e-3}); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range generate(t, e, 10, Sampling{}) {
		if int(id) != 4+i {
			t.Fatalf("token %d after 1 2 3 is %d, want %d", i, id, 4+i)
		}
	}
}

func TestGenerateSampling(t *testing.T) {
	e := newEngine(t, smallModel(), Options{})
	likeliest := generate(t, e, 60, Sampling{}) // runs past Context
	for name, opt := range map[string]Sampling{
		"top 1": {Temperature: 5, TopK: 1}, "cold": {Temperature: 1e-9}, "coldest": {Temperature: math.SmallestNonzeroFloat64},
	} {
		if got := generate(t, e, 60, opt); !equal(got, likeliest) {
			t.Fatalf("%s: %v, want the likeliest %v", name, got, likeliest)
		}
	}
	hot := Sampling{Temperature: 2, TopK: 20, Seed: 7}
	if !equal(generate(t, e, 60, hot), generate(t, e, 60, hot)) {
		t.Fatal("equal seeds gave different text")
	}
	other := hot
	other.Seed++
	if equal(generate(t, e, 60, hot), generate(t, e, 60, other)) {
		t.Fatal("different seeds gave equal text")
	}
}

func equal(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestPickFollowsProbabilities draws many times; 0.01 is over six deviations.
func TestPickFollowsProbabilities(t *testing.T) {
	s, err := newSampler(Sampling{Temperature: 0.5, TopK: 3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	const draws = 100_000
	var count [5]float64
	for range draws {
		id, err := s.pick([]float32{1, -1, 0.5, 0, 0.9})
		if err != nil {
			t.Fatal(err)
		}
		count[id] += 1.0 / draws
	}
	sum := math.Exp(2) + math.Exp(1) + math.Exp(1.8)
	for i, want := range []float64{math.Exp(2) / sum, 0, math.Exp(1) / sum, 0, math.Exp(1.8) / sum} {
		if math.Abs(count[i]-want) > 0.01 {
			t.Fatalf("token %d was drawn with %v, want %v", i, count[i], want)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	e := newEngine(t, smallModel(), Options{})
	stop := errors.New("enough")
	done, cancel := context.WithCancel(context.Background())
	cancel()
	ok := func(int32) error { return nil }
	for name, c := range map[string]struct {
		ctx    context.Context
		prompt []int32
		opt    Sampling
		emit   func(int32) error
		is     error
	}{
		"empty prompt":     {context.Background(), nil, Sampling{}, ok, nil},
		"unknown token":    {context.Background(), []int32{64}, Sampling{}, ok, nil},
		"negative token":   {context.Background(), []int32{-1}, Sampling{}, ok, nil},
		"negative heat":    {context.Background(), []int32{1}, Sampling{Temperature: -1}, ok, nil},
		"heat NaN":         {context.Background(), []int32{1}, Sampling{Temperature: math.NaN()}, ok, nil},
		"negative top":     {context.Background(), []int32{1}, Sampling{TopK: -1}, ok, nil},
		"cancelled":        {done, []int32{1}, Sampling{}, ok, context.Canceled},
		"receiver refuses": {context.Background(), []int32{1}, Sampling{}, func(int32) error { return stop }, stop},
	} {
		err := e.Generate(c.ctx, c.prompt, 3, c.opt, c.emit)
		if err == nil || (c.is != nil && !errors.Is(err, c.is)) {
			t.Fatalf("%s: error is %v", name, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Generate(context.Background(), []int32{1}, 1, Sampling{}, ok); !errors.Is(err, engine.ErrClosed) {
		t.Fatalf("closed: error is %v", err)
	}
}
