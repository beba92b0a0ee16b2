package gradient

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/tensor"
)

// slowTop is the definition of the selection.
func slowTop(vals []float32, k int) []uint16 {
	index := make([]uint16, len(vals))
	for i := range index {
		index[i] = uint16(i)
	}
	slices.SortStableFunc(index, func(a, b uint16) int {
		x, y := math.Abs(float64(vals[a])), math.Abs(float64(vals[b]))
		switch {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	index = index[:k]
	slices.Sort(index)
	return index
}

// fillers are kinds of chunk that a selector may meet in any order.
var fillers = []func(r *rand.Rand) float32{
	func(r *rand.Rand) float32 { return float32(r.NormFloat64()) },
	func(r *rand.Rand) float32 { return float32(student(r, 3) * 1e-6) },
	func(r *rand.Rand) float32 { return 0 },
	func(r *rand.Rand) float32 { return float32(r.IntN(5) - 2) },
	func(r *rand.Rand) float32 { return float32(r.IntN(100) / 99) },
	func(r *rand.Rand) float32 { return float32(math.Copysign(0, float64(r.IntN(2))-1)) },
	func(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32() & 0x807fffff) }, // subnormal
	func(r *rand.Rand) float32 { return math.MaxFloat32 * float32(r.IntN(3)-1) },
	func(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32() &^ 0x40000000) },
}

// The selector agrees with its definition whatever it saw before, for every
// length and k, with ties, zeros, subnormals and equal values.
func TestTopIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s selector
	for range 600 {
		n := 1 + r.IntN(tensor.ChunkLen)
		if r.IntN(3) == 0 {
			n = 1 + r.IntN(20)
		}
		k := 1 + r.IntN(n)
		if r.IntN(2) == 0 {
			k = min(n, 1+r.IntN(64))
		}
		vals := make([]float32, n)
		fill := fillers[r.IntN(len(fillers))]
		for i := range vals {
			vals[i] = fill(r)
		}
		got, gotVals, bad := s.top(vals, k)
		if bad >= 0 {
			t.Fatalf("n %d, k %d: value %d = %v is called not finite", n, k, bad, vals[bad])
		}
		if want := slowTop(vals, k); !slices.Equal(got, want) {
			t.Fatalf("n %d, k %d: got %v, want %v", n, k, got, want)
		}
		for i, at := range got {
			if math.Float32bits(gotVals[i]) != math.Float32bits(vals[at]) {
				t.Fatalf("n %d, k %d: value %d is %v, want %v", n, k, at, gotVals[i], vals[at])
			}
		}
	}
}

func TestTopNamesWhatIsNotFinite(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -math.NaN()} {
		var s selector
		for range 20 {
			vals := heavyTail(r.Uint64(), 1+r.IntN(tensor.ChunkLen))
			at := r.IntN(len(vals))
			vals[at] = float32(v)
			if _, _, bad := s.top(vals, 1); bad != at {
				t.Fatalf("%v at %d of %d: got %d", v, at, len(vals), bad)
			}
		}
	}
}
