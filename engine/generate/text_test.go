package generate

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
)

// smallEngine is of a small model of text, drawn from a seed.
func smallEngine(t *testing.T) *cpu.Engine {
	t.Helper()
	m := model.Default()
	m.Dim, m.Heads, m.KVHeads, m.FFN, m.Vocab, m.Context, m.Layers = 36, 6, 3, 50, 64, 32, 2
	e, err := cpu.New(m, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		t.Fatal(err)
	}
	return e
}

// forgetful is an engine that makes predictions and remembers no text.
type forgetful struct {
	engine.Engine
	engine.Predictor
}

func generate(t *testing.T, e engine.Engine, n int, opt Sampling) (out []int32) {
	t.Helper()
	if err := Text(t.Context(), e, []int32{1, 2, 3}, n, opt, func(id int32) error {
		out = append(out, id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGenerateLearntText(t *testing.T) {
	e := smallEngine(t)
	inputs, targets := make([]int32, 64), make([]int32, 64)
	for i := range 64 { // count upwards
		inputs[i], targets[i] = int32(i%64), int32((i+1)%64)
	}
	b := engine.Tokens(4, 16, inputs, targets)
	for range 150 {
		if _, err := e.Step(b, engine.Hyper{Rate: 5e-3}); err != nil {
			t.Fatal(err)
		}
	}
	for name, e := range map[string]engine.Engine{"read on": e, "read again": forgetful{e, e}} {
		for i, id := range generate(t, e, 10, Sampling{}) {
			if int(id) != 4+i {
				t.Fatalf("%s: token %d after 1 2 3 is %d, want %d", name, i, id, 4+i)
			}
		}
	}
}

func TestGenerateSampling(t *testing.T) {
	e := smallEngine(t)
	likeliest := generate(t, e, 60, Sampling{}) // runs past Context
	for name, opt := range map[string]Sampling{
		"top 1": {Temperature: 5, TopK: 1}, "cold": {Temperature: 1e-9}, "coldest": {Temperature: math.SmallestNonzeroFloat64},
	} {
		if got := generate(t, e, 60, opt); !slices.Equal(got, likeliest) {
			t.Fatalf("%s: %v, want the likeliest %v", name, got, likeliest)
		}
	}
	hot := Sampling{Temperature: 2, TopK: 20, Seed: 7}
	if !slices.Equal(generate(t, e, 60, hot), generate(t, e, 60, hot)) {
		t.Fatal("equal seeds gave different text")
	}
	if got := generate(t, forgetful{e, e}, 25, hot); !slices.Equal(got, generate(t, e, 25, hot)) { // within Context
		t.Fatalf("read again for each token, the text is %v", got)
	}
	other := hot
	other.Seed++
	if slices.Equal(generate(t, e, 60, hot), generate(t, e, 60, other)) {
		t.Fatal("different seeds gave equal text")
	}
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
	e := smallEngine(t)
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
		err := Text(c.ctx, e, c.prompt, 3, c.opt, c.emit)
		if err == nil || (c.is != nil && !errors.Is(err, c.is)) {
			t.Fatalf("%s: error is %v", name, err)
		}
	}
	if err := Text(t.Context(), struct{ engine.Engine }{e}, []int32{1}, 1, Sampling{}, ok); err == nil {
		t.Error("an engine that says nothing wrote")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Text(t.Context(), e, []int32{1}, 1, Sampling{}, ok); !errors.Is(err, engine.ErrClosed) {
		t.Fatalf("closed: error is %v", err)
	}
}
