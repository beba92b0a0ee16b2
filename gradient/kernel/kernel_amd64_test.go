package kernel

// This file holds the assembly to the plain loops.

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// values draws float32 bits of every kind: numbers of all sizes, zeros of both
// signs, subnormals, infinities and NaN.
func values(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		switch r.IntN(4) {
		case 0:
			v[i] = float32(r.NormFloat64())
		case 1:
			v[i] = math.Float32frombits(r.Uint32())
		case 2:
			v[i] = math.Float32frombits(r.Uint32() & 0x807fffff)
		}
	}
	return v
}

func levels() []level {
	var l []level
	for i := avx2; i <= best; i++ {
		l = append(l, i)
	}
	return l
}

func TestMarkIsTheDefinition(t *testing.T) {
	if len(levels()) == 0 {
		t.Skip("this processor has no AVX2")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		vals := values(r, GroupLen*(1+r.IntN(9)))
		least := []uint32{0, 1, magnitude, 0x7f800000, math.Float32bits(vals[0]) & magnitude, r.Uint32() & magnitude}[r.IntN(6)]
		want := make([]uint64, len(vals)/GroupLen)
		plainMark(want, vals, least)
		for _, l := range levels() {
			got := make([]uint64, len(want))
			markAt(l, got, vals, least)
			if !slices.Equal(got, want) {
				t.Fatalf("level %d, from %#x: %x, want %x", l, least, got, want)
			}
		}
	}
}

func TestPlacesIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 2000 {
		mask := make([]uint64, 1+r.IntN(GroupLen))
		set := [][2]uint64{{0, 0}, {^uint64(0), ^uint64(0)}, {r.Uint64(), r.Uint64()}, {0, r.Uint64() & r.Uint64() & r.Uint64() & r.Uint64()}}[r.IntN(4)]
		var want []uint16
		for i := range mask {
			mask[i] = bits.RotateLeft64(set[i%2], i)
			for bit := range GroupLen {
				if mask[i]>>bit&1 == 1 {
					want = append(want, uint16(i*GroupLen+bit))
				}
			}
		}
		for l := plain; l <= best; l++ {
			got := make([]uint16, GroupLen*len(mask)+1)
			got[len(got)-1] = 7
			if n := placesAt(l, got[:len(got)-1], mask); !slices.Equal(got[:n], want) || got[len(got)-1] != 7 {
				t.Fatalf("level %d: %v, want %v", l, got[:n], want)
			}
		}
	}
}

func TestSumFromIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		xs := make([]uint32, fewLen*(1+r.IntN(9)))
		for i := range xs {
			xs[i] = r.Uint32() & magnitude >> r.IntN(32)
		}
		xs[r.IntN(len(xs))] = magnitude
		least := []uint32{0, 1, magnitude, xs[0], r.Uint32() & magnitude >> r.IntN(32)}[r.IntN(5)]
		wantSum, wantNum := uint64(0), uint64(0)
		for _, x := range xs {
			if x >= least {
				wantSum, wantNum = wantSum+uint64(x), wantNum+1
			}
		}
		for l := plain; l <= best; l++ {
			if sum, num := sumFromAt(l, xs, least); sum != wantSum || num != wantNum {
				t.Fatalf("level %d, from %d: %d of %d, want %d of %d", l, least, sum, num, wantSum, wantNum)
			}
		}
	}
}

func TestAlignIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 2000 {
		vals := values(r, fewLen*(1+r.IntN(5)))
		for i, v := range vals {
			if v != v || math.Abs(float64(v)) > math.MaxFloat32 {
				vals[i] = 0
			}
		}
		if r.IntN(4) == 0 {
			for i := range vals {
				vals[i] *= 0x1p-126 // all subnormal, or nearly
			}
		}
		least := []uint32{1, 1 + r.Uint32N(254)}[r.IntN(2)]
		want := make([]uint32, len(vals))
		top := least
		for _, v := range vals {
			top = max(top, math.Float32bits(v)&magnitude>>fractionBits)
		}
		for i, v := range vals {
			// |v| in units of 2^(top − 157), cut off.
			want[i] = uint32(math.Ldexp(math.Abs(float64(v)), 157-int(top)))
		}
		for l := plain; l <= best; l++ {
			got := make([]uint32, len(vals))
			if exp := alignAt(l, got, vals, least); exp != top || !slices.Equal(got, want) {
				t.Fatalf("level %d, from %d: %v has %d, %v, want %d, %v", l, least, vals, exp, got, top, want)
			}
		}
	}
}

func TestJoinIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		n := GroupLen * (1 + r.IntN(9))
		e, start, now, beta := values(r, n), values(r, n), values(r, n), float32(r.Float64())
		want := make([]float32, n)
		plainJoin(want, e, start, now, beta)
		for _, l := range levels() {
			got := make([]float32, n)
			joinAt(l, got, e, start, now, beta)
			for i := range got {
				if x, y := math.Float32bits(got[i]), math.Float32bits(want[i]); x != y && got[i] == got[i] {
					t.Fatalf("level %d, value %d: %#x, want %#x", l, i, x, y)
				}
			}
		}
	}
}
