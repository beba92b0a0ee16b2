package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
	"lode/gradient"
	"lode/tensor"
)

// rounds plays rounds of a worker and returns, of each, what it sent, what it left out and
// what the next began with. view is how it sees engine and vectors.
func rounds(t *testing.T, card *cudatest.Card, p gradient.Params, seen func(engine.Engine) engine.Engine, view func(engine.Vector) engine.Vector) (story []string) {
	t.Helper()
	own, err := on(t, card, wideMLP, Options{Vectors: 2, Frozen: []bool{false, false, false, true, false, false}})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	e, l := seen(own), own.layout
	residual, start := two(t, own)
	params := make(tensor.Flat, l.Len())
	if err := model.Init(wideMLP, [32]byte{7}, params); err != nil {
		t.Fatal(err)
	}
	residual, start = view(residual), view(start)
	if err := engine.Copy(l, start, params); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(6, 1))
	for round := range 4 {
		if err := engine.Copy(l, view(e.Params()), start); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := e.Step(enginetest.Batch(r, wideMLP, 4, 1), engine.Hyper{Rate: 1e-3}); err != nil {
				t.Fatal(err)
			}
		}
		u, err := engine.Compress(e, p, engine.Feedback{Decay: 0.9, Residual: residual, Start: start, Into: residual})
		if err != nil {
			t.Fatal(err)
		}
		dots, err := engine.Dots(e, []gradient.Vector{u, u})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Subtract(l, residual, u, gradient.Unclipped/gradient.Clip(1+round)); err != nil {
			t.Fatal(err)
		}
		if err := engine.Subtract(l, start, u, gradient.Unclipped); err != nil {
			t.Fatal(err)
		}
		story = append(story, fmt.Sprintf("%x %x %x %x", u.Plain(), dots, values(t, own, residual), values(t, own, start)))
	}
	return story
}

// TestRounds: a worker makes the same of its rounds whether the card does what it can, or
// sends its values to the host.
func TestRounds(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "order=6")
	for _, p := range []gradient.Params{
		{Codec: gradient.TopK, K: 200, Bits: 3, EMin: -40, EMax: -4},
		{Codec: gradient.Sign, Bits: 1, EMin: -40, EMax: -4},
	} {
		got := rounds(t, card, p, func(e engine.Engine) engine.Engine { return e }, func(v engine.Vector) engine.Vector { return v })
		want := rounds(t, card, p, func(e engine.Engine) engine.Engine { return struct{ engine.Engine }{e} }, func(v engine.Vector) engine.Vector { return struct{ engine.Vector }{v} })
		for i := range want {
			if got[i] != want[i] || i > 0 && want[i] == want[0] {
				t.Fatalf("%s, round %d is another on the card", p.Codec, i)
			}
		}
	}
}
