package gradient

// This file holds the vectors by which other implementations of the update format
// (docs/update-format.md) are checked: updates with everything that is said of
// them, and bytes that must be refused.

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/klauspost/compress/zstd"

	"lode/gradient/column"
	"lode/tensor"
)

// setting is what gives an update's bytes their meaning, as vectors have it.
type setting struct {
	Tensors []vectorTensor `json:"tensors"`
	Params  vectorParams   `json:"params"`
}

type vectorTensor struct {
	Name  string      `json:"name"`
	Shape []int       `json:"shape"`
	Kind  tensor.Kind `json:"kind"`
}

type vectorParams struct {
	Codec  string `json:"codec"`
	K      int    `json:"k"`
	KEmbed int    `json:"k_embed"`
	Bits   int    `json:"bits"`
	EMin   int8   `json:"e_min"`
	EMax   int8   `json:"e_max"`

	Support *vectorSupport `json:"support,omitempty"` // codec shared
}

// vectorSupport is what a support follows from.
type vectorSupport struct {
	Seed string `json:"seed"`
	Last string `json:"last"` // values of the last step, "" in the first round
}

func settingOf(l tensor.Layout, p Params) setting {
	s := setting{Params: vectorParams{Codec: p.Codec, K: p.K, KEmbed: p.KEmbed, Bits: p.Bits, EMin: p.EMin, EMax: p.EMax}}
	for t := range l.NumTensors() {
		s.Tensors = append(s.Tensors, vectorTensor(l.Spec(t)))
	}
	return s
}

func (s setting) open(tb testing.TB) (tensor.Layout, Params) {
	specs := make([]tensor.Spec, len(s.Tensors))
	for i, t := range s.Tensors {
		specs[i] = tensor.Spec(t)
	}
	v, l := s.Params, layoutOf(tb, specs...)
	p := Params{Codec: v.Codec, K: v.K, KEmbed: v.KEmbed, Bits: v.Bits, EMin: v.EMin, EMax: v.EMax}
	if v.Support == nil {
		return l, p
	}
	var last Vector
	if v.Support.Last != "" {
		last = mustEncode(tb, l, exactly32, parseFloats(tb, v.Support.Last))
	}
	p, err := p.On(l, last, [32]byte(unhex(tb, v.Support.Seed)))
	if err != nil {
		tb.Fatal(err)
	}
	return l, p
}

// exactly32 keeps values of the last step as they are, if they are multiples of
// 2^−40 below 16.
var exactly32 = Params{Codec: Dense, Bits: 32, EMin: -40, EMax: -4}

// supported returns s with a support that follows a step if seed is odd.
func (s setting) supported(tb testing.TB, seed byte) setting {
	s.Params.Support = &vectorSupport{Seed: hex.EncodeToString(bytes.Repeat([]byte{seed}, 32))}
	if seed%2 == 1 {
		l, _ := s.open(tb)
		s.Params.Support.Last = floatText(decode(tb, mustEncode(tb, l, exactly32, dyadic(uint64(seed), l.Len()))))
	}
	return s
}

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

// refusal is bytes that are no update, and why.
type refusal struct {
	Name string `json:"name"`
	setting
	Form    string `json:"form"` // plain or wire
	Bytes   string `json:"bytes"`
	Refusal string `json:"refusal"` // malformed or not canonical
}

// refusalOf names the class of an error, "" for none.
func refusalOf(tb testing.TB, err error) string {
	tb.Helper()
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrMalformed):
		return "malformed"
	case errors.Is(err, ErrNotCanonical):
		return "not canonical"
	}
	tb.Fatalf("error without a sentinel: %v", err)
	return ""
}

func digestText(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func floatText(v tensor.Flat) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, math.Float32bits(x))
	}
	return hex.EncodeToString(b)
}

func parseFloats(tb testing.TB, s string) tensor.Flat {
	tb.Helper()
	b := unhex(tb, s)
	v := make(tensor.Flat, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.BigEndian.Uint32(b[4*i:]))
	}
	return v
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func newVector(tb testing.TB, name string, l tensor.Layout, p Params, values tensor.Flat, clip Clip) vector {
	tb.Helper()
	return newVectorOf(tb, name, settingOf(l, p), values, clip)
}

func newVectorOf(tb testing.TB, name string, s setting, values tensor.Flat, clip Clip) vector {
	tb.Helper()
	l, p := s.open(tb)
	u := mustEncode(tb, l, p, values)
	v := vector{Name: name, setting: s, Values: floatText(values), Clip: clip}
	v.describe(tb, u)
	v.Wires = []string{hex.EncodeToString(u.Wire())}
	return v
}

// describe fills in what u makes of the vector's values and clip factor.
func (v *vector) describe(tb testing.TB, u *Update) {
	left := parseFloats(tb, v.Values)
	for c := range u.Layout().Chunks() {
		u.SubtractFrom(c, v.Clip, left[c.Offset:c.Offset+c.Len])
	}
	v.Plain = hex.EncodeToString(u.Plain())
	v.Digest = digestText(u.Plain())
	v.Norm = bigOf(u.NormSquared()).Text(16)
	v.Decoded, v.Residual = floatText(decode(tb, u)), floatText(left)
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
	first.Wires = append(first.Wires, otherWires(tb, unhex(tb, first.Wires[0]))...)
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

// frameOf returns content as a zstd frame of a raw block, by hand.
func frameOf(content []byte) []byte {
	return slowFrame(0xa0, le32(len(content)), block(0, true, content))
}

func slowFrame(descriptor byte, rest ...[]byte) []byte {
	return append([]byte{0x28, 0xb5, 0x2f, 0xfd, descriptor}, bytes.Join(rest, nil)...)
}

func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// block returns a block of the given type whose size is that of its content.
func block(kind int, last bool, content []byte) []byte {
	head := len(content)<<3 | kind<<1
	if last {
		head |= 1
	}
	return append([]byte{byte(head), byte(head >> 8), byte(head >> 16)}, content...)
}

// joined returns a wire form of frames.
func joined(frames ...[]byte) []byte {
	b := []byte(header)
	for _, f := range frames {
		b = binary.AppendUvarint(b, uint64(len(f)))
	}
	return append(b, bytes.Join(frames, nil)...)
}

// open returns the columns of the example's wire form.
func openExample(tb testing.TB, wire []byte) [][]byte {
	l, p := exampleSetting(tb)
	f, err := newPlan(l, p)
	if err != nil {
		tb.Fatal(err)
	}
	cols, err := column.Unpack(wire[len(header):], f.ranges()...)
	if err != nil {
		tb.Fatal(err)
	}
	return cols
}

func framesOf(cols [][]byte) [][]byte {
	frames := make([][]byte, len(cols))
	for i, c := range cols {
		frames[i] = frameOf(c)
	}
	return frames
}

// otherWires returns forms of the example's wire that other compressors may make.
func otherWires(tb testing.TB, wire []byte) []string {
	cols := openExample(tb, wire)
	gaps := cols[colGaps]
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderCRC(true))
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for _, frame := range [][]byte{
		frameOf(gaps),
		slowFrame(0x20, []byte{byte(len(gaps))}, block(0, true, gaps)),                        // size in one byte
		slowFrame(0xe0, le32(len(gaps)), le32(0), block(0, true, gaps)),                       // in eight
		slowFrame(0x80, []byte{0}, le32(len(gaps)), block(0, true, gaps)),                     // window of 1 KiB
		slowFrame(0xa1, []byte{0}, le32(len(gaps)), block(0, true, gaps)),                     // dictionary 0
		slowFrame(0xa0, le32(len(gaps)), block(0, false, gaps[:1]), block(0, true, gaps[1:])), // two blocks
		slowFrame(0xa0, le32(len(gaps)), block(0, false, gaps), block(0, true, nil)),          // an empty one
		enc.EncodeAll(gaps, nil), // checksum
	} {
		frames := framesOf(cols)
		frames[colGaps] = frame
		all = append(all, hex.EncodeToString(joined(frames...)))
	}
	return all
}

func refusals(tb testing.TB) []refusal {
	return append(plainRefusals(tb), wireRefusals(tb)...)
}

// plainRefusals breaks each rule of the canonical form alone.
func plainRefusals(tb testing.TB) (all []refusal) {
	row := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{4, 5}})
	vec := layoutOf(tb, tensor.Spec{Name: "b", Shape: []int{3}})
	sparse := func(bits int) Params { return Params{Codec: TopK, K: 1024, Bits: bits, EMin: -10, EMax: 10} }
	cosines := Params{Codec: DCT, K: 1024, Bits: 2, EMin: -10, EMax: 10}
	signs := Params{Codec: Sign, Bits: 1, EMin: -10, EMax: 10}
	bytewise := Params{Codec: Dense, Bits: 8, EMin: -10, EMax: 10}
	halves := Params{Codec: Dense, Bits: 16, EMin: -10, EMax: 10}
	wide := Params{Codec: Dense, Bits: 32, EMin: -10, EMax: 10}
	add := func(name string, l tensor.Layout, p Params, plain string) {
		b := []byte(header + plain)
		_, err := ParsePlain(l, p, b)
		all = append(all, refusal{p.Codec + ": " + name, settingOf(l, p), "plain", hex.EncodeToString(b), refusalOf(tb, err)})
	}
	const at = "\x01\x00\x03\x00\x04\x00\x09\x00\x13\x00"
	const first = "\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00"
	two := sparse(2)
	add("short", row, two, "\x02\xc8\x40"+at+"\x39")
	add("long", row, two, "\x02\xc8\x40"+at+"\x39\x02\x00")
	add("positions equal", row, two, "\x02\xc8\x40\x01\x00\x01\x00\x04\x00\x09\x00\x13\x00\x39\x02")
	add("positions descend", row, two, "\x02\xc8\x40\x03\x00\x01\x00\x04\x00\x09\x00\x13\x00\x39\x02")
	add("position at the end", row, two, "\x02\xc8\x40\x01\x00\x03\x00\x04\x00\x09\x00\x14\x00\x39\x02")
	add("exponent too high", row, two, "\x0b\xc8\x40"+at+"\x39\x02")
	add("exponent too low", row, two, "\xf5\xc8\x40"+at+"\x39\x02")
	add("high not normalised", row, two, "\x02\x7f\x40"+at+"\x39\x02")
	add("low equals high", row, two, "\x02\xc8\xc8"+at+"\x39\x02")
	add("low above high", row, two, "\x02\xc8\xc9"+at+"\x39\x02")
	add("no entry high", row, two, "\x02\xc8\x40"+at+"\x28\x02")
	add("no entry low, low named", row, two, "\x02\xc8\x40"+at+"\x7d\x03")
	add("unused code bits", row, two, "\x02\xc8\x40"+at+"\x39\x06")
	add("sign of a zero", row, two, "\x02\xc8\x00"+first+"\x02\x01")
	add("a zero behind a gap", row, two, "\x02\xc8\x00\x00\x00\x01\x00\x02\x00\x04\x00\x09\x00\x00\x01")
	add("a zero behind the rest", row, two, "\x02\xc8\x00\x00\x00\x01\x00\x02\x00\x09\x00\x0a\x00\x40\x00")
	add("zeros with an exponent", row, two, "\x01\x00\x00"+first+"\x00\x00")
	add("zeros with a low mantissa", row, two, "\x00\x00\x01"+first+"\x00\x00")
	add("zeros with a level", row, two, "\x00\x00\x00"+first+"\x01\x00")
	add("zeros with a sign", row, two, "\x00\x00\x00"+first+"\x02\x00")
	add("zeros elsewhere", row, two, "\x00\x00\x00\x00\x00\x01\x00\x02\x00\x03\x00\x05\x00\x00\x00")
	add("one level, low mantissa", row, sparse(1), "\x02\xc8\x01"+at+"\x1f")
	add("one level, zeros with a sign", row, sparse(1), "\x00\x00\x00"+first+"\x01")
	add("three bits, levels coincide", row, sparse(3), "\x02\xc8\xc6"+at+"\x18\x00")
	add("four bits, levels coincide", row, sparse(4), "\x02\xc8\xc0"+at+"\x70\x00\x00")
	add("exponent above the headroom", row, cosines, "\x07\xc8\x40"+at+"\x39\x02")
	add("unused sign bits", row, signs, "\x02\x80\xff\xff\x1f")
	add("magnitude not normalised", row, signs, "\x02\x7f\xff\xff\x0f")
	add("exponent too high", row, signs, "\x0b\x80\xff\xff\x0f")
	add("zeros with an exponent", row, signs, "\x01\x00\x00\x00\x00")
	add("zeros with a sign", row, signs, "\x00\x00\x01\x00\x00")
	add("mantissa −128", vec, bytewise, "\x00\x80\x7f\x00")
	add("mantissas not normalised", vec, bytewise, "\x00\x01\x3f\x00")
	add("exponent too high", vec, bytewise, "\x0b\x01\x7f\x00")
	add("exponent too low", vec, bytewise, "\xf5\x01\x7f\x00")
	add("zeros with an exponent", vec, bytewise, "\x01\x00\x00\x00")
	given := settingOf(row, Params{Codec: Shared, K: 1024, Bits: 2, EMin: -10, EMax: 10}).supported(tb, 2)
	for _, c := range []struct{ name, plain string }{
		{"short", "\x02\xc8\x40\x39"},
		{"with positions", "\x02\xc8\x40" + at + "\x39\x02"},
		{"unused code bits", "\x02\xc8\x40\x39\x06"},
		{"no entry high", "\x02\xc8\x40\x28\x02"},
		{"sign of a zero", "\x02\xc8\x00\x02\x01"},
		{"zeros with an exponent", "\x01\x00\x00\x00\x00"},
	} {
		l, p := given.open(tb)
		b := []byte(header + c.plain)
		_, err := ParsePlain(l, p, b)
		all = append(all, refusal{"shared: " + c.name, given, "plain", hex.EncodeToString(b), refusalOf(tb, err)})
	}
	one := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{1, 1}})
	add("half, −0", one, halves, "\x00\x80")
	add("half, infinity", one, halves, "\x80\x7f")
	add("half, NaN", one, halves, "\xc0\x7f")
	add("half, too fine", one, halves, "\x00\x3a")
	add("half, too large", one, halves, "\x80\x48")
	add("−0", one, wide, "\x00\x00\x00\x80")
	add("NaN", one, wide, "\x01\x00\x80\x7f")
	add("subnormal", one, wide, "\x01\x00\x00\x00")
	add("a digit too fine", one, wide, "\x01\x00\x80\x3f")
	add("too large", one, wide, "\x00\x00\x80\x48")
	all = append(all, refusal{"no header", settingOf(vec, bytewise), "plain", "", "malformed"})
	return append(all, refusal{"another number of the format", settingOf(vec, bytewise), "plain", "4c47550200000000", "malformed"})
}

// wireRefusals breaks each rule of the wire form alone.
func wireRefusals(tb testing.TB) (all []refusal) {
	l, p := exampleSetting(tb)
	cols := openExample(tb, mustEncode(tb, l, p, exampleValues).Wire())
	good := joined(framesOf(cols)...)
	add := func(name string, wire []byte) {
		_, err := ParseWire(l, p, wire)
		all = append(all, refusal{name, settingOf(l, p), "wire", hex.EncodeToString(wire), refusalOf(tb, err)})
	}
	// frame puts another frame in the place of the gaps', col another column.
	frame := func(name string, f []byte) {
		frames := framesOf(cols)
		frames[colGaps] = f
		add(name, joined(frames...))
	}
	col := func(name string, i int, content []byte) {
		frames := framesOf(cols)
		frames[i] = frameOf(content)
		add(name, joined(frames...))
	}
	gaps := cols[colGaps]
	size := le32(len(gaps))
	add("empty", nil)
	add("header alone", []byte(header))
	add("another number of the format", append([]byte("LGU\x02"), good[4:]...))
	add("cut in its lengths", good[:8])
	add("cut in its frames", good[:len(good)-1])
	add("a byte too many", append(bytes.Clone(good), 0))
	add("too long", append(bytes.Clone(good), make([]byte, MaxWireLen(l, p))...))
	add("a length not minimal", append(append([]byte(header), good[4]|0x80, 0), good[5:]...))
	add("a length without end", append(append([]byte(header), bytes.Repeat([]byte{0xff}, 10)...), good[5:]...))
	add("a frame longer than what is left", append(append([]byte(header), 0x7f), good[5:]...))
	frame("no frame", nil)
	frame("magic number alone", []byte{0x28, 0xb5, 0x2f, 0xfd})
	frame("another magic number", append([]byte{0x27}, frameOf(gaps)[1:]...))
	frame("a skippable frame", []byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"))
	frame("a skippable frame before", append([]byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"), frameOf(gaps)...))
	frame("two frames", append(frameOf(gaps[:2]), frameOf(gaps[2:])...))
	frame("a skippable frame behind", append(frameOf(gaps), "\x50\x2a\x4d\x18\x00\x00\x00\x00"...))
	frame("a byte behind", append(frameOf(gaps), 0))
	frame("no content size", slowFrame(0x00, []byte{0}, block(0, true, gaps)))
	frame("a content size of 0", slowFrame(0xa0, le32(0), block(0, true, nil)))
	frame("a content size too large", slowFrame(0xa0, le32(1<<20), block(0, true, gaps)))
	frame("a content size of 2^63", slowFrame(0xe0, le32(0), le32(1<<31), block(0, true, gaps)))
	frame("less than its content size", slowFrame(0xa0, size, block(0, true, gaps[1:])))
	frame("more than its content size", slowFrame(0xa0, size, block(0, true, append(bytes.Clone(gaps), 0))))
	frame("a dictionary", slowFrame(0xa1, []byte{1}, size, block(0, true, gaps)))
	frame("the reserved bit", slowFrame(0xa8, size, block(0, true, gaps)))
	frame("a reserved block", slowFrame(0xa0, size, block(3, true, gaps)))
	frame("a block cut off", slowFrame(0xa0, size, block(0, true, gaps)[:4]))
	frame("no last block", slowFrame(0xa0, size, block(0, false, gaps)))
	frame("a header cut off", slowFrame(0xa0, size[:2]))
	frame("a window wider than any column", slowFrame(0x80, []byte{1}, size, block(0, true, gaps)))
	frame("a wrong checksum", slowFrame(0xa4, size, block(0, true, gaps), []byte{1, 2, 3, 4}))
	frame("no checksum where one is said", slowFrame(0xa4, size, block(0, true, gaps)))
	frame("a compressed block of junk", slowFrame(0xa0, size, block(2, true, []byte("junk"))))
	col("a column too short", colScales, nil)
	col("a column too long", colScales, []byte{0, 0})
	col("a position beyond the chunk", colGaps, []byte{0, 0, 0, 5})
	col("a gap of 255 beyond the chunk", colGaps, []byte{0, 0, 0, 255})
	col("an exponent out of bounds", colScales, []byte{1})
	col("a high mantissa not normalised", colScales+1, []byte{127})
	col("a level that nobody takes", colSigns+1, []byte{0})
	col("an unused bit of signs", colSigns, []byte{0x16})
	col("an unused bit of levels", colSigns+1, []byte{0x15})
	return all
}

func readVectors[T any](tb testing.TB, name string) (all []T) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil || len(all) < 20 {
		tb.Fatalf("%d vectors in %s: %v", len(all), name, err)
	}
	return all
}

// writeVectors writes vectors one a line.
func writeVectors[T any](tb testing.TB, name string, all []T) {
	tb.Helper()
	var b bytes.Buffer
	for i, v := range all {
		line, err := json.Marshal(v)
		if err != nil {
			tb.Fatal(err)
		}
		b.WriteString([]string{"[\n", ",\n"}[min(i, 1)])
		b.Write(line)
	}
	b.WriteString("\n]\n")
	path := filepath.Join("testdata", "vectors", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
		tb.Fatal(err)
	}
}

// What is encoded today is what the vectors say, but for the compressor's bytes.
func TestVectors(t *testing.T) {
	now := vectors(t)
	if *update {
		writeVectors(t, "updates.json", now)
	}
	kept := readVectors[vector](t, "updates.json")
	if len(kept) != len(now) {
		t.Fatalf("%d vectors, %d are made: run go test -update", len(kept), len(now))
	}
	for i, want := range kept {
		l, p := want.open(t)
		for j, w := range want.Wires {
			u, err := ParseWire(l, p, unhex(t, w))
			if err != nil || hex.EncodeToString(u.Plain()) != want.Plain {
				t.Errorf("%s: wire form %d: error %v", want.Name, j, err)
			}
		}
		if _, err := ParsePlain(l, p, unhex(t, want.Plain)); err != nil {
			t.Errorf("%s: %v", want.Name, err)
		}
		got := now[i]
		got.Wires = want.Wires
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	now := refusals(t)
	if *update {
		writeVectors(t, "refusals.json", now)
	}
	if kept := readVectors[refusal](t, "refusals.json"); !reflect.DeepEqual(kept, now) {
		t.Errorf("what is refused is not what the vectors say: run go test -update")
	}
	for _, r := range now {
		if r.Refusal == "" {
			t.Errorf("%s, %s: accepted", r.Form, r.Name)
		}
	}
}
