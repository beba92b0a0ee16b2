package gradient

// This file holds the vectors by which other implementations of the update format
// (docs/update-format.md) are checked: updates with everything that is said of
// them.

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"lode/gradient/vectortest"
	"lode/tensor"
)

// vector is an update and all that is said of it. Floats are the hexadecimal
// digits of their bits, eight for each; bytes are hexadecimal.
type vector struct {
	Name string `json:"name"`
	setting
	Values   string   `json:"values"`
	Plain    string   `json:"plain"`
	Wires    []string `json:"wires"` // several compressors' forms of it
	Digest   string   `json:"digest"`
	Norm     string   `json:"norm"` // squared, in units of 2^(2·EMin)
	Decoded  string   `json:"decoded"`
	Clip     Clip     `json:"clip"`
	Residual string   `json:"residual"`
}

func newVector(tb testing.TB, name string, l tensor.Layout, p Params, values tensor.Flat, clip Clip) vector {
	tb.Helper()
	return newVectorOf(tb, name, settingOf(l, p), values, clip)
}

func newVectorOf(tb testing.TB, name string, s setting, values tensor.Flat, clip Clip) vector {
	tb.Helper()
	l, p := s.open(tb)
	u := mustEncode(tb, l, p, values)
	v := vector{Name: name, setting: s, Values: vectortest.Floats(values), Clip: clip}
	v.describe(tb, u)
	v.Wires = []string{hex.EncodeToString(u.Wire())}
	return v
}

// describe fills in what u makes of the vector's values and clip factor.
func (v *vector) describe(tb testing.TB, u *Update) {
	left := vectortest.ParseFloats(tb, v.Values)
	for c := range u.Layout().Chunks() {
		u.SubtractFrom(c, v.Clip, left[c.Offset:c.Offset+c.Len])
	}
	v.Plain = hex.EncodeToString(u.Plain())
	v.Digest = vectortest.Digest(u.Plain())
	v.Norm = bigOf(u.NormSquared()).Text(16)
	v.Decoded, v.Residual = vectortest.Floats(decode(tb, u)), vectortest.Floats(left)
}

// mixed has tensors of all kinds, sizes that are no multiples of 8 and runs of 64.
func mixed(tb testing.TB) tensor.Layout {
	return layoutOf(tb,
		tensor.Spec{Name: "embed", Shape: []int{6, 11}, Kind: tensor.Embedding},
		tensor.Spec{Name: "frozen", Shape: []int{3, 3}, Kind: tensor.Frozen},
		tensor.Spec{Name: "norm", Shape: []int{9}},
		tensor.Spec{Name: "conv", Shape: []int{3, 1, 5}},
		tensor.Spec{Name: "one", Shape: []int{1, 1}},
		tensor.Spec{Name: "head", Shape: []int{2, 70}},
	)
}

// vectorsOfAllCodecs has every codec and width, with exponents near their bounds
// too.
var vectorsOfAllCodecs = []Params{
	{Codec: TopK, K: 300, KEmbed: 900, Bits: 1, EMin: -40, EMax: -4},
	{Codec: TopK, K: 300, Bits: 2, EMin: -40, EMax: -4},
	{Codec: TopK, K: 700, Bits: 3, EMin: -40, EMax: -4},
	{Codec: TopK, K: tensor.ChunkLen, KEmbed: 1, Bits: 4, EMin: -20, EMax: 0},
	{Codec: TopK, K: 999, Bits: 2, EMin: MinExponent, EMax: MinExponent},
	{Codec: TopK, K: 64, Bits: 2, EMin: 28, EMax: MaxExponent},
	{Codec: DCT, K: 400, Bits: 2, EMin: -40, EMax: -4},
	{Codec: DCT, K: 1500, KEmbed: 100, Bits: 4, EMin: -20, EMax: 10},
	{Codec: Sign, Bits: 1, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 8, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 16, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 32, EMin: -40, EMax: -4},
	{Codec: Dense, Bits: 32, EMin: -10, EMax: -10},
}

// odd returns values of every kind made of integers alone, a kind per stretch.
func odd(seed uint64, n int) tensor.Flat {
	r := rand.New(rand.NewPCG(seed, 9))
	kinds := []func() uint32{
		func() uint32 { return 0 },
		func() uint32 { return signBit },
		func() uint32 { return r.Uint32() & 0x807fffff }, // subnormal
		func() uint32 { return r.Uint32()&signBit | math.Float32bits(math.MaxFloat32) },
		func() uint32 { return math.Float32bits(float32(r.IntN(5) - 2)) },
		func() uint32 { return r.Uint32()&0x807fffff | (80+r.Uint32N(80))<<23 },
		func() uint32 { return r.Uint32()&0x80000003 | 115<<23 },
	}
	v := make(tensor.Flat, n)
	for i := 0; i < n; {
		kind := kinds[r.IntN(len(kinds))]
		for stop := min(n, i+1+r.IntN(n)); i < stop; i++ {
			v[i] = math.Float32frombits(kind())
		}
	}
	return v
}

func vectors(tb testing.TB) []vector {
	l, p := exampleSetting(tb)
	first := newVector(tb, "the example of docs/update-format.md", l, p, exampleValues, Unclipped)
	first.Wires = append(first.Wires, otherWires(tb, vectortest.Bytes(tb, first.Wires[0]))...)
	all := []vector{first}
	clips := []Clip{Unclipped, Unclipped / 3, 3000000019, 1, 0}
	for i, p := range vectorsOfAllCodecs {
		l, seed := mixed(tb), uint64(i)
		name := fmt.Sprintf("%s in %d bits from 2^%d to 2^%d, ", p.Codec, p.Bits, p.EMin, p.EMax)
		clip := clips[i%len(clips)]
		all = append(all,
			newVector(tb, name+"heavy tails", l, p, dyadic(seed, l.Len()), clip),
			newVector(tb, name+"odd values", l, p, odd(seed, l.Len()), clip),
			newVector(tb, name+"zeros", l, p, make(tensor.Flat, l.Len()), clip))
	}
	long := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{2, 2050}})
	pair := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{1, 2}})
	x := math.Float32frombits(0x3c7ffffb) // 16777211·2^−30
	for i, p := range []Params{
		{Codec: Shared, K: 300, Bits: 2, EMin: -40, EMax: -4},
		{Codec: Shared, K: 999, KEmbed: 1500, Bits: 1, EMin: -40, EMax: -4},
		{Codec: Shared, K: tensor.ChunkLen, Bits: 3, EMin: -20, EMax: 0},
	} {
		l := mixed(tb)
		for j, values := range []tensor.Flat{dyadic(uint64(i), l.Len()), odd(uint64(i), l.Len()), make(tensor.Flat, l.Len())} {
			name := fmt.Sprintf("%s in %d bits, values %d", p.Codec, p.Bits, j)
			all = append(all, newVectorOf(tb, name, settingOf(l, p).supported(tb, byte(3*i+j)), values, clips[j]))
		}
	}
	all = append(all, newVectorOf(tb, "shared, two chunks", settingOf(long, Params{Codec: Shared, K: 64, Bits: 2, EMin: -40, EMax: -4}).supported(tb, 5),
		dyadic(78, long.Len()), Unclipped))
	return append(all,
		newVector(tb, "a product that is rounded twice", pair, Params{Codec: Dense, Bits: 32, EMin: -40, EMax: -4}, tensor.Flat{x, -x}, 2318611251),
		newVector(tb, "two chunks", long, DefaultParams(), dyadic(77, long.Len()), Unclipped),
		newVector(tb, "no tensors", layoutOf(tb), DefaultParams(), nil, Unclipped))
}

// exampleSetting is the layout that docs/update-format.md explains byte by byte.
func exampleSetting(tb testing.TB) (tensor.Layout, Params) {
	l := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{2, 4}}, tensor.Spec{Name: "b", Shape: []int{2}})
	return l, Params{Codec: TopK, K: 2048, Bits: 2, EMin: -20, EMax: 0}
}

var exampleValues = tensor.Flat{0.5, 0.01, -0.25, 0.02, 0, -0.375, 0.03, 0.125, 1, -0.75}

// What is encoded today is what the vectors say, but for the compressor's bytes.
func TestVectors(t *testing.T) {
	now := vectors(t)
	for i, want := range vectortest.Keep(t, *update, "updates.json", now) {
		l, p := want.open(t)
		for j, w := range want.Wires {
			u, err := ParseWire(l, p, vectortest.Bytes(t, w))
			if err != nil || hex.EncodeToString(u.Plain()) != want.Plain {
				t.Errorf("%s: wire form %d: error %v", want.Name, j, err)
			}
		}
		if _, err := ParsePlain(l, p, vectortest.Bytes(t, want.Plain)); err != nil {
			t.Errorf("%s: %v", want.Name, err)
		}
		got := now[i]
		got.Wires = want.Wires
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want)
		}
	}
}
