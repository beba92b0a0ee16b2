package kernel

// This file holds the assembly of the merge to the plain loops.

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMergeAssemblyIsTheDefinition(t *testing.T) {
	if len(levels()) == 0 {
		t.Skip("this processor has no AVX2")
	}
	r := rand.New(rand.NewPCG(9, 9))
	for range 1000 {
		n := GroupLen * (1 + r.IntN(5))
		_, _, scale := scales(r)
		m, vals, other := make([]byte, n), integers(r, n, 51), integers(r, n, 62)
		for i := range m {
			m[i] = byte(r.Uint32())
		}
		by, limit := float64(1+r.Int64N(5000)), float64(int64(1)<<(2+r.IntN(14))-1)
		down := math.Ldexp(1, -r.IntN(60))
		run := func(l level) (out [][]int64, bits [][]byte) {
			sums, quotients := slices.Clone(other), slices.Clone(vals)
			addBytesAt(l, sums, m, scale)
			set := slices.Clone(other)
			setBytesAt(l, set, m, scale)
			both := slices.Clone(other)
			addAt(l, both, vals)
			divideAt(l, quotients, by)
			bitmap, packed := make([]byte, n/8), make([]byte, 2*n+PackRoom)
			used := packAt(l, bitmap, packed, vals, down, limit)
			low, high := slices.Clone(vals), slices.Clone(other)
			exchangeAt(l, low, high)
			return [][]int64{sums, quotients, set, both, {topAt(l, other)}, low, high}, [][]byte{bitmap, packed[:used]}
		}
		want, wantBits := run(plain)
		for _, l := range levels() {
			got, gotBits := run(l)
			if !slices.EqualFunc(got, want, slices.Equal[[]int64]) || !slices.EqualFunc(gotBits, wantBits, bytes.Equal) {
				t.Fatalf("level %d, scale %v, by %v, down %v, limit %v: %v %x, want %v %x", l, scale, by, down, limit, got, gotBits, want, wantBits)
			}
		}
	}
}
