package cuda

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"lode/aggregation"
	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/gradient"
	"lode/tensor"
)

// TestStep: merged steps, of few values or many, in two bytes or four, are taken off as package
// engine does, in more pieces than there are halves.
func TestStep(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "order=8")
	e, err := on(t, card, wideMLP, Options{Frozen: []bool{false, false, false, true, false, false}, exchange: 1 << 15})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 1))
	want := puts(t, e, e.Params(), func(tensor.Chunk) float32 { return draws["normal"](r) })
	for i, bits := range []int{2, 8, 15, 16, 24} {
		p := gradient.Params{Codec: gradient.TopK, K: []int{4096, 64, 700, 1, 2000}[i], Bits: 2, EMin: -40, EMax: -4}
		cfg := aggregation.DefaultConfig(p)
		cfg.StepBits = bits
		var all []aggregation.Contribution
		for range 1 + i {
			a := make(tensor.Flat, e.layout.Len())
			for j := range a {
				a[j] = draws["tails"](r)
			}
			u, err := gradient.Encode(e.layout, p, a)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
		}
		planes, err := aggregation.NewPlanes(e.layout, cfg)
		if err != nil {
			t.Fatal(err)
		}
		step, err := aggregation.Merge(e.layout, cfg, all, planes)
		if err != nil || step.NumNonzero() == 0 {
			t.Fatalf("%d bits: %d values move (%v)", bits, step.NumNonzero(), err)
		}
		for _, clip := range []gradient.Clip{gradient.Unclipped, gradient.Unclipped / 3, 0} {
			if err := errors.Join(engine.Subtract(e.layout, e.Params(), step, clip), engine.Subtract(e.layout, want, step, clip)); err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprintf("parameters after a step of %d bits", bits), values(t, e, e.Params()), want)
		}
	}
}
