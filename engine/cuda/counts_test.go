package cuda

// This file counts what a step asks of a card, without one.

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/engine"
	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/cudatest/ptx"
	"lode/engine/enginetest"
	"lode/engine/model"
)

// countedSteps is the length of the sequence that is counted.
const countedSteps = 256

// BenchmarkCounts counts one step of one layer as wide as that of GPT-2's smallest, in bf16:
// for each kernel the instructions of warps, products of tensor cores, requests to global
// memory, and how many of the bytes that these move nobody asked for. Take it with
// -benchtime 1x; it runs the PTX on the processor and measures no time.
func BenchmarkCounts(b *testing.B) {
	m := model.Llama{Dim: 768, Layers: 1, Heads: 12, KVHeads: 12, FFN: 2048, Vocab: 512, Context: countedSteps, RopeTheta: 10000, NormEps: 1e-5}
	card := cudatest.Use(b, cudatest.Kernels(), "memory=4000000000")
	e, err := New(m, Options{Libraries: card.Libraries, Half: true, Loads: []model.Load{{Rows: 1, Steps: countedSteps, Gradient: true}}})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	if err := model.Init(m, [32]byte{1}, e.Params()); err != nil {
		b.Fatal(err)
	}
	batch := enginetest.Batch(rand.New(rand.NewPCG(1, 1)), m, 1, countedSteps)
	step := func() {
		if _, err := e.Step(batch, engine.Hyper{Rate: 1e-3, ClipNorm: 1}); err != nil {
			b.Fatal(err)
		}
	}
	step() // the first does what later ones need not
	stats := map[string]*ptx.Stats{}
	card.Interpret(stats)
	for range b.N {
		step()
	}
	fmt.Printf("\n%-26s %12s %8s %9s %9s %11s %6s %9s %6s\n", "kernel", "instructions", "threads", "mma", "requests", "kB", "moved", "shared", "passes")
	share := func(of, to int64) float64 { return float64(of) / float64(max(to, 1)) }
	for _, k := range slices.Sorted(maps.Keys(stats)) {
		s := stats[k]
		fmt.Printf("%-26s %12d %8.1f %9d %9d %11d %6.2f %9d %6.2f\n", k, s.Instructions, share(s.Lanes, s.Instructions), s.Products,
			s.Requests, s.Global/1000, share(32*s.Sectors, s.Global), s.Shared, share(s.Passes, s.Shared))
	}
}
