package column

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"lode/gradient/column/columntest"
)

func skewed(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(min(r.ExpFloat64()*20, 255))
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 2, 100, 1 << 10, 1<<17 - 1, 1 << 17, 1<<17 + 1, 300_000, 5 << 20} {
		random := make([]byte, n)
		for i := range random {
			random[i] = byte(r.Uint32())
		}
		cols := [][]byte{skewed(r, n), {}, random, make([]byte, n)}
		want := []Range{Exactly(n), {0, 5}, {n / 2, n}, {n, n + 9}}
		packed := Pack([]byte("x"), cols...)[1:]
		if len(packed) > MaxLen(want...) {
			t.Errorf("%d: packed into %d, bound %d", n, len(packed), MaxLen(want...))
		}
		got, err := Unpack(packed, want...)
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		for i := range cols {
			if !bytes.Equal(got[i], cols[i]) {
				t.Errorf("%d: column %d differs", n, i)
			}
		}
	}
}

// packFrames packs frames as they are.
func packFrames(frames ...[]byte) []byte {
	var b []byte
	for _, f := range frames {
		b = binary.AppendUvarint(b, uint64(len(f)))
	}
	return append(b, bytes.Join(frames, nil)...)
}

func TestUnpackRefuses(t *testing.T) {
	body := bytes.Repeat([]byte("abcdefgh"), 50)
	frame := func(opts ...zstd.EOption) []byte {
		enc, err := zstd.NewWriter(nil, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return enc.EncodeAll(body, nil)
	}
	good := frame(zstd.WithSingleSegment(true))
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0}, "junk"...)
	cases := map[string][]byte{
		"nothing":             {},
		"two columns":         packFrames(good, good),
		"empty column":        packFrames(nil),
		"trailing byte":       append(packFrames(good), 0),
		"cut":                 packFrames(good[:len(good)-1]),
		"two frames":          packFrames(append(slices.Clone(good), good...)),
		"frame and skippable": packFrames(append(slices.Clone(good), skippable...)),
		"skippable first":     packFrames(append(slices.Clone(skippable), good...)),
		"not a frame":         packFrames([]byte("hello, world")),
		"length too long":     binary.AppendUvarint(nil, 1<<62),
		"length not minimal":  append([]byte{byte(len(good)) | 0x80, 0x00}, good...),
		"bad block":           packFrames(flip(good, len(good)-30)),
	}
	for name, b := range cases {
		if _, err := Unpack(b, Exactly(len(body))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if len(good) > 127 {
		t.Fatal("the length that is not minimal needs a short frame")
	}
	for _, r := range []Range{Exactly(len(body) - 1), Exactly(len(body) + 1), {0, 0}} {
		if _, err := Unpack(packFrames(good), r); !errors.Is(err, ErrMalformed) {
			t.Errorf("range %v: got error %v", r, err)
		}
	}
	if _, err := Unpack(packFrames(frame(zstd.WithEncoderCRC(true))), Exactly(len(body))); err != nil {
		t.Errorf("frame with a checksum: %v", err)
	}
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 0xff
	return b
}

// A frame that claims more than its range is refused by its claim, before any
// memory is taken for it.
func TestUnpackAllocatesWithinItsRange(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	bomb := packFrames(enc.EncodeAll(make([]byte, 64<<20), nil))
	if n, yes := columntest.Exceeds(columntest.Slack, func() { _, err = Unpack(bomb, Range{0, 1 << 20}) }); yes {
		t.Errorf("%d bytes allocated for a refused frame", n)
	}
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("got error %v", err)
	}
}

func TestGaps(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		n := 1 + r.IntN(4096)
		var positions []byte
		rate := 1 + r.IntN(600)
		for i := range n {
			if r.IntN(rate) == 0 {
				positions = binary.LittleEndian.AppendUint16(positions, uint16(i))
			}
		}
		b := AppendGaps(nil, positions)
		if k := len(positions) / 2; len(b) > k+NumEscapes(n, k) {
			t.Fatalf("%d of %d positions take %d bytes, bound %d", k, n, len(b), k+NumEscapes(n, k))
		}
		got := make([]byte, len(positions))
		rest, err := ReadGaps(append(b, 7), got, n)
		if err != nil || len(rest) != 1 || !bytes.Equal(got, positions) {
			t.Fatalf("got %v, rest %v, error %v, want %v", got, rest, err, positions)
		}
	}
}

func TestReadGapsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		src  []byte
		k, n int
	}{
		"empty":              {nil, 1, 10},
		"ends early":         {[]byte{1, 2}, 3, 10},
		"ends in an escape":  {[]byte{255}, 1, 4096},
		"beyond":             {[]byte{9, 0}, 2, 10},
		"escapes for ever":   {bytes.Repeat([]byte{255}, 100), 1, 4096},
		"escape to the edge": {[]byte{255, 0}, 1, 255},
	} {
		if _, err := ReadGaps(c.src, make([]byte, 2*c.k), c.n); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// What is unpacked lies within the ranges and travels again; and whatever is claimed,
// no more is allocated than the ranges allow, the decompressor's tables and one block.
func FuzzUnpack(f *testing.F) {
	f.Add(Pack(nil, []byte("abcabcabcabcabcabcabc"), []byte{1, 2, 3}))
	f.Add(Pack(nil, nil, make([]byte, 500)))
	f.Add([]byte{0, 0})
	f.Add(Pack(nil, skewed(rand.New(rand.NewPCG(3, 3)), 600), bytes.Repeat([]byte("abcdefgh"), 50)))
	want := []Range{{0, 600}, {3, 500}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var cols [][]byte
		var err error
		if n, yes := columntest.Exceeds(columntest.Slack, func() { cols, err = Unpack(b, want...) }); yes {
			t.Fatalf("%d bytes allocated for %d", n, len(b))
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error without a sentinel: %v", err)
			}
			return
		}
		for i, col := range cols {
			if len(col) < want[i].Min || len(col) > want[i].Max {
				t.Fatalf("column %d has %d bytes", i, len(col))
			}
		}
		again, err := Unpack(Pack(nil, cols...), want...)
		if err != nil || !bytes.Equal(again[0], cols[0]) || !bytes.Equal(again[1], cols[1]) {
			t.Fatalf("second trip: %v", err)
		}
	})
}

// Positions that are read are those that these very bytes stand for.
func FuzzReadGaps(f *testing.F) {
	f.Add([]byte{0, 255, 0, 3}, uint16(3), uint16(4096))
	f.Add([]byte{255, 255, 1}, uint16(1), uint16(600))
	f.Fuzz(func(t *testing.T, src []byte, k, n uint16) {
		positions := make([]byte, 2*int(k%4097))
		rest, err := ReadGaps(src, positions, int(n))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error without a sentinel: %v", err)
			}
			return
		}
		last := -1
		for p := range slices.Chunk(positions, 2) {
			at := int(binary.LittleEndian.Uint16(p))
			if at >= int(n) || at <= last {
				t.Fatalf("positions %x below %d", positions, n)
			}
			last = at
		}
		if again := AppendGaps(nil, positions); !bytes.Equal(append(again, rest...), src) {
			t.Fatalf("%x reads as %x, which is written as %x", src, positions, again)
		}
	})
}

// Within one unit of the last bit.
func TestLog2(t *testing.T) {
	for n := uint32(1); n < 1<<17; n++ {
		if want := math.Floor(math.Log2(float64(n)) * (1 << fraction)); math.Abs(float64(log2(n))-want) > 1 {
			t.Fatalf("log2(%d) is %d, want %v", n, log2(n), want)
		}
	}
}
