package gradient

// This file holds the values that tests encode.

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/tensor"
)

func layoutOf(tb testing.TB, specs ...tensor.Spec) tensor.Layout {
	tb.Helper()
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// draws are the distributions of values that tests use, of unit scale.
var draws = map[string]func(*rand.Rand) float64{
	"gauss":   func(r *rand.Rand) float64 { return r.NormFloat64() },
	"laplace": func(r *rand.Rand) float64 { return r.ExpFloat64() * float64(1-2*r.IntN(2)) },
	"t5":      func(r *rand.Rand) float64 { return student(r, 5) },
	"t3":      func(r *rand.Rand) float64 { return student(r, 3) },
}

// student draws from Student's t distribution: heavy tails, as gradients have.
func student(r *rand.Rand, freedom int) float64 {
	sum := 0.0
	for range freedom {
		x := r.NormFloat64()
		sum += float64(x * x)
	}
	return r.NormFloat64() / math.Sqrt(sum/float64(freedom))
}

// sample returns n values of about 10⁻⁴ whose scale wanders from chunk to chunk.
func sample(seed uint64, n int, kind string) tensor.Flat {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make(tensor.Flat, n)
	scale := 0.0
	for i := range v {
		if i%tensor.ChunkLen == 0 {
			scale = 1e-4 * math.Exp(r.NormFloat64()*0.3)
		}
		v[i] = float32(draws[kind](r) * scale)
	}
	return v
}

func heavyTail(seed uint64, n int) tensor.Flat { return sample(seed, n, "t3") }

// model is a small layout with every kind of chunk: full and short, sparse and
// dense.
func model(tb testing.TB) tensor.Layout {
	return layoutOf(tb,
		tensor.Spec{Name: "embed", Shape: []int{100, 90}},
		tensor.Spec{Name: "norm", Shape: []int{90}},
		tensor.Spec{Name: "conv", Shape: []int{3, 1, 5}},
		tensor.Spec{Name: "head", Shape: []int{2, tensor.ChunkLen}},
		tensor.Spec{Name: "bias", Shape: []int{5000}},
		tensor.Spec{Name: "flat", Shape: []int{DenseLen + 1}},
	)
}
