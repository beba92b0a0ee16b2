package cuda

// This file tests long sequences.

import (
	flags "flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"lode/engine/cuda/cudatest"
	"lode/engine/enginetest"
	"lode/engine/model"
)

var longest = flags.Int("positions", 2048, "how long the sequences of TestLong are; 8192 take some minutes")

// TestLong is attention alone at a length that no tile divides, and the reference's gradient on a
// sequence as long as models have.
func TestLong(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds")
	}
	r := rand.New(rand.NewPCG(3, 3))
	m := model.Llama{Dim: 16, Layers: 1, Heads: 1, KVHeads: 1, FFN: 8, Vocab: 300, Context: *longest, RopeTheta: 10000, NormEps: 1e-5, Tied: true}
	e, err := on(t, cudatest.Use(t, cudatest.Kernels(), "order=3"), small, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, half := range []bool{false, true} {
		attending{1, 1025, 1, 1, 16}.check(t, e, r, half)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for half, tolerance := range map[bool]float64{false: 1e-5, true: 3e-2} {
		t.Run(fmt.Sprintf("engine, bf16 %v", half), func(t *testing.T) {
			sameGradient(t, m, Options{Half: half}, enginetest.Batch(r, m, 1, *longest), tolerance)
		})
	}
}
