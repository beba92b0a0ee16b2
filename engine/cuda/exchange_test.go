package cuda

import (
	"errors"
	"math/rand/v2"
	"testing"

	"lode/engine/cuda/cudatest"
	"lode/tensor"
)

// TestPour brings all values in their order, in more pieces than there are halves; and ends
// where nobody takes them any more.
func TestPour(t *testing.T) {
	card := cudatest.Use(t, cudatest.Kernels(), "")
	e, err := on(t, card, wideMLP, Options{exchange: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 1))
	want := puts(t, e, e.Params(), func(tensor.Chunk) float32 { return r.Float32() })
	var got tensor.Flat
	pieces := 0
	take := func(x []float32) error {
		pieces++
		got = append(got, x...)
		return nil
	}
	if err := e.do(func() error { return e.pour(e.params.at(0), len(want), take) }); err != nil || pieces < 5 || len(got) != len(want) {
		t.Fatalf("%d of %d values in %d pieces (%v)", len(got), len(want), pieces, err)
	}
	same(t, "parameters", got, want)
	full := errors.New("full")
	for after := range 4 {
		left := after
		if err := e.do(func() error {
			return e.pour(e.params.at(0), len(want), func([]float32) error {
				if left--; left < 0 {
					return full
				}
				return nil
			})
		}); !errors.Is(err, full) {
			t.Errorf("full after %d pieces: %v", after, err)
		}
	}
	got = nil
	if err := e.do(func() error { return e.pour(e.params.at(0), len(want), take) }); err != nil {
		t.Fatal(err)
	}
	same(t, "parameters after that", got, want)
}
