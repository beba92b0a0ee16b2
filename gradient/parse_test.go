package gradient

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"maps"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/gradient/column"
	"lode/gradient/vectortest"
	"lode/tensor"
)

var update = flag.Bool("update", false, "rewrite the golden vectors")

// tiny has one sparse chunk of 20 values, 5 of them kept, and one dense chunk.
func tiny(tb testing.TB) (tensor.Layout, Params) {
	l := layoutOf(tb, tensor.Spec{Name: "w", Shape: []int{4, 5}}, tensor.Spec{Name: "b", Shape: []int{3}})
	return l, Params{Codec: TopK, K: 1024, Bits: 2, EMin: -10, EMax: 10}
}

// Each rule of the canonical form, broken alone. Plain form of tiny: header 0–3,
// exponent 4, hi 5, lo 6, positions 7–16, codes 17–18, exponent 19, values 20–22.
func TestParsePlainIsStrict(t *testing.T) {
	l, p := tiny(t)
	good := []byte("LGU\x01" + "\x02\xc8\x40" + "\x01\x00\x03\x00\x04\x00\x09\x00\x13\x00" + "\x39\x02" + "\xff\x7f\x81\x00")
	if _, err := ParsePlain(l, p, good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want error
		edit func(b []byte) []byte
	}{
		{"empty", ErrMalformed, func(b []byte) []byte { return nil }},
		{"short", ErrMalformed, func(b []byte) []byte { return b[:len(b)-1] }},
		{"long", ErrMalformed, func(b []byte) []byte { return append(b, 0) }},
		{"other format", ErrMalformed, set(3, 2)},
		{"positions equal", ErrMalformed, set(9, 1)},
		{"positions descend", ErrMalformed, set(9, 0)},
		{"position at the end", ErrMalformed, set(15, 20)},
		{"position far out", ErrMalformed, set(16, 0xff)},
		{"exponent too high", ErrMalformed, set(4, 11)},
		{"exponent too low", ErrMalformed, set(4, 0xf5)},
		{"high not normalised", ErrNotCanonical, set(5, 0x7f)},
		{"low equals high", ErrNotCanonical, set(6, 0xc8)},
		{"low above high", ErrNotCanonical, set(6, 0xc9)},
		{"zeros with exponent", ErrNotCanonical, set(5, 0)},
		{"no entry high", ErrNotCanonical, set(17, 0x28)},
		{"no entry low, low named", ErrNotCanonical, func(b []byte) []byte { return set(18, 3)(set(17, 0x7d)(b)) }},
		{"unused code bits", ErrNotCanonical, set(18, 0x06)},
		{"sign of zero", ErrNotCanonical, set(6, 0)},
		{"dense −128", ErrMalformed, set(21, 0x80)},
		{"dense not normalised", ErrNotCanonical, func(b []byte) []byte { return set(20, 1)(set(21, 1)(b)) }},
		{"dense exponent too high", ErrMalformed, set(19, 11)},
		{"dense zeros with exponent", ErrNotCanonical, func(b []byte) []byte { return append(b[:19], 1, 0, 0, 0) }},
	} {
		if _, err := ParsePlain(l, p, c.edit([]byte(string(good)))); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
}

func set(at int, v byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] = v
		return b
	}
}

// Zeros among the kept have one place to stand.
func TestZerosHaveOnePlace(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{4, 5}})
	p := Params{Codec: TopK, K: 1024, Bits: 2, EMin: -10, EMax: 10}
	plain := func(positions string, codes string) []byte {
		return []byte("LGU\x01\x02\xc8\x00" + positions + codes)
	}
	// Entry 9 is high; four zeros.
	if _, err := ParsePlain(l, p, plain("\x00\x00\x01\x00\x02\x00\x03\x00\x09\x00", "\x00\x01")); err != nil {
		t.Error(err)
	}
	if _, err := ParsePlain(l, p, plain("\x00\x00\x01\x00\x02\x00\x04\x00\x09\x00", "\x00\x01")); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("a gap before a zero: got error %v", err)
	}
	if _, err := ParsePlain(l, p, plain("\x00\x00\x01\x00\x02\x00\x09\x00\x0a\x00", "\x40\x00")); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("a zero behind the rest: got error %v", err)
	}
	zero := append([]byte("LGU\x01\x00\x00\x00"), "\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00\x00\x00"...)
	if u, err := ParsePlain(l, p, zero); err != nil || u.NormSquared() != (Norm{}) {
		t.Errorf("chunk of zeros: norm %v, error %v", u.NormSquared(), err)
	}
	zero[15] = 5
	if _, err := ParsePlain(l, p, zero); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("chunk of zeros, other positions: got error %v", err)
	}
}

// Prefixes, extensions and single changed bits of a wire form are
// refused with a sentinel or decodes to something canonical; never a panic.
func TestParseWireIsStrict(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{9, 1000}}, tensor.Spec{Name: "b", Shape: []int{300}})
	p := DefaultParams()
	wire := mustEncode(t, l, p, heavyTail(1, l.Len())).Wire()
	for n := 0; n < len(wire); n += 1 + n/50 {
		if _, err := ParseWire(l, p, wire[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("first %d of %d bytes: got error %v", n, len(wire), err)
		}
	}
	if _, err := ParseWire(l, p, append(wire[:len(wire):len(wire)], 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("one byte more: got error %v", err)
	}
	if _, err := ParseWire(l, p, make([]byte, MaxWireLen(l, p)+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: got error %v", err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		b := []byte(string(wire))
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		checkParsed(t, l, p, b)
	}
}

// checkParsed checks what must hold for any input: a sentinel, or an update
// whose plain form parses and travels unchanged.
func checkParsed(t *testing.T, l tensor.Layout, p Params, wire []byte) {
	t.Helper()
	u, err := ParseWire(l, p, wire)
	if err != nil {
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotCanonical) {
			t.Fatalf("error without a sentinel: %v", err)
		}
		return
	}
	if _, err := ParsePlain(l, p, u.Plain()); err != nil {
		t.Fatalf("plain form of a parsed update: %v", err)
	}
	v, err := ParseWire(l, p, u.Wire())
	if err != nil || string(v.Plain()) != string(u.Plain()) {
		t.Fatalf("second trip: %v", err)
	}
	if want := canonicalOf(u); p.Codec != DCT && string(want) != string(u.Plain()) {
		t.Fatalf("two encodings of one value: %x and %x", u.Plain(), want)
	}
}

// canonicalOf builds the plain form of an update from nothing but its decoded
// values: the twin of all rules about canonical form.
func canonicalOf(u *Update) []byte {
	p, plain := u.f.params, []byte(header)
	for c := range u.f.layout.Chunks() {
		vals := make([]float32, c.Len)
		u.ReadChunk(c, vals)
		levels := map[float64]bool{}
		for _, v := range vals {
			levels[math.Abs(float64(v))] = true
		}
		delete(levels, 0)
		sorted := slices.Sorted(maps.Keys(levels))
		switch codec, _ := u.chunk(c); codec := codec.(type) {
		case dense8:
			plain = append(plain, denseOf(vals, sorted, p)...)
		case topk:
			plain = append(plain, sparseOf(vals, sorted, codec)...)
		case *given:
			at := make([]float32, len(codec.places))
			for i, place := range codec.places {
				at[i] = vals[place]
			}
			b := sparseOf(at, sorted, topk{codec.p, tensor.ChunkLen})
			plain = append(append(plain, b[:scaleLen]...), b[scaleLen+2*len(at):]...)
		case sign:
			plain = append(plain, signsOf(vals, sorted, p)...)
		case float:
			plain = append(plain, floatsOf(vals, p)...)
		}
	}
	return plain
}

// expOf returns the lowest exponent from EMin at which top is at most limit.
func expOf(sorted []float64, limit float64, p Params) int {
	if len(sorted) == 0 {
		return 0
	}
	exp := int(p.EMin)
	for math.Ldexp(sorted[len(sorted)-1], -exp) > limit {
		exp++
	}
	return exp
}

func denseOf(vals []float32, sorted []float64, p Params) []byte {
	exp := expOf(sorted, 127, p)
	b := []byte{byte(exp)}
	for _, v := range vals {
		b = append(b, byte(int8(math.Ldexp(float64(v), -exp))))
	}
	return b
}

func sparseOf(vals []float32, sorted []float64, c topk) []byte {
	exp, k := expOf(sorted, 255, c.p), c.kept(len(vals))
	free := k
	for _, v := range vals {
		if v != 0 {
			free--
		}
	}
	var hi, lo float64
	if len(sorted) > 0 {
		hi = sorted[len(sorted)-1]
	}
	if len(sorted) > 1 && free == 0 {
		lo = sorted[0]
	}
	b := []byte{byte(exp), byte(math.Ldexp(hi, -exp)), byte(math.Ldexp(lo, -exp))}
	levels := mantissasOf(curves[c.p.Bits-1], uint32(b[2]), uint32(b[1]))
	codes := make([]byte, c.codesLen(k))
	for i, n := 0, 0; i < len(vals) && n < k; i++ {
		if vals[i] == 0 {
			if free == 0 {
				continue
			}
			free--
		}
		code := 0
		if vals[i] != 0 { // where levels coincide all entries take the highest
			code = int(c.top())
		}
		for levels[code] != uint32(math.Ldexp(math.Abs(float64(vals[i])), -exp)) {
			code--
		}
		if vals[i] < 0 {
			code |= int(c.top()) + 1
		}
		b = append(b, byte(i), byte(i>>8))
		for bit := range c.p.Bits {
			at := n*c.p.Bits + bit
			codes[at/8] |= byte(code>>bit&1) << (at % 8)
		}
		n++
	}
	return append(b, codes...)
}

func signsOf(vals []float32, sorted []float64, p Params) []byte {
	b := make([]byte, 2+(len(vals)+7)/8)
	if len(sorted) == 0 {
		return b
	}
	exp := expOf(sorted, 255, p)
	b[0], b[1] = byte(exp), byte(math.Ldexp(sorted[0], -exp))
	for i, v := range vals {
		if v < 0 {
			b[2+i/8] |= 1 << (i % 8)
		}
	}
	return b
}

func floatsOf(vals []float32, p Params) []byte {
	var b []byte
	for _, v := range vals {
		bits := math.Float32bits(v)
		if p.Bits == 16 {
			b = binary.LittleEndian.AppendUint16(b, uint16(bits>>16))
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, bits)
	}
	return b
}

// Columns of the right lengths with the wrong content.
func TestParseWireChecksColumns(t *testing.T) {
	l, p := tiny(t)
	u := mustEncode(t, l, p, heavyTail(2, l.Len()))
	ranges := u.f.ranges()
	open := func() [][]byte {
		cols, err := column.Unpack(u.Wire()[len(header):], ranges...)
		if err != nil {
			t.Fatal(err)
		}
		return cols
	}
	pack := func(cols [][]byte) []byte { return column.Pack([]byte(header), cols...) }
	if _, err := ParseWire(l, p, pack(open())); err != nil {
		t.Fatal(err)
	}
	for col := range ranges {
		cols := open()
		cols[col] = append(cols[col], 1)
		if _, err := ParseWire(l, p, pack(cols)); !errors.Is(err, ErrMalformed) {
			t.Errorf("column %d one longer: got error %v", col, err)
		}
		cols = open()
		cols[col] = cols[col][:len(cols[col])-1]
		if _, err := ParseWire(l, p, pack(cols)); !errors.Is(err, ErrMalformed) {
			t.Errorf("column %d one shorter: got error %v", col, err)
		}
	}
	cols := open()
	cols[colGaps] = []byte{0, 0, 255, 0, 0}
	if _, err := ParseWire(l, p, pack(cols)); !errors.Is(err, ErrMalformed) {
		t.Errorf("position beyond the chunk: got error %v", err)
	}
}

// dyadic returns heavy-tailed values made of integers alone: the functions of
// package math that other generators call differ between processors.
func dyadic(seed uint64, n int) tensor.Flat {
	r := rand.New(rand.NewPCG(seed, 7))
	v := make(tensor.Flat, n)
	for i := range v {
		exp := uint32(110 + bits.TrailingZeros32(r.Uint32()|1<<16))
		v[i] = math.Float32frombits(r.Uint32()&0x807fffff | exp<<23)
	}
	return v
}

// Golden vectors: plain forms of fixed inputs, the same on every machine. Seed,
// k, digests of input and plain form, norm. Made by go test -update.
func TestGolden(t *testing.T) {
	l := model(t)
	var got strings.Builder
	for seed := range uint64(3) {
		for _, k := range []int{1, 64, 128} {
			p := DefaultParams()
			p.K = k
			a := dyadic(seed, l.Len())
			u := mustEncode(t, l, p, a)
			n := u.NormSquared()
			got.WriteString(strings.Join([]string{
				itoa(int(seed)), itoa(k), hash(bytesOf(a)), hash(u.Plain()), hexOf(n.Hi), hexOf(n.Lo),
			}, " ") + "\n")
		}
	}
	vectortest.Golden(t, *update, "golden.txt", got.String())
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// What is told of a wire form's parts adds up to it.
func TestSharesAddUp(t *testing.T) {
	for _, p := range codecsOn(t, model(t)) {
		u := mustEncode(t, model(t), p, heavyTail(1, model(t).Len()))
		wire, sum := u.Wire(), 0
		shares := u.Shares(wire)
		for _, s := range shares {
			if s.Name == "" || s.Of == "" {
				t.Errorf("%s: a share without a name: %+v", p.name(), s)
			}
			sum += s.Bytes
		}
		if rest := len(wire) - sum - len(header); rest < len(shares) || rest > 5*len(shares) {
			t.Errorf("%s: %d of %d bytes in %d shares", p.name(), sum, len(wire), len(shares))
		}
	}
}
