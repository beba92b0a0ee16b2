package column

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// geometric draws n bytes, most of them small, as gaps are.
func geometric(r *rand.Rand, n int) []byte {
	mean := 1 + 99*r.Float64()
	col := make([]byte, n)
	for i := range col {
		col[i] = byte(min(r.ExpFloat64()*mean, 255))
	}
	return col
}

// Frames of literals hold their columns, of every length and distribution, and are
// shorter than a compressor's, all together, where bytes do not repeat.
func TestLiterals(t *testing.T) {
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	r := rand.New(rand.NewPCG(7, 7))
	var l literals
	enc := newEncoder(true)
	made, ours, others := 0, 0, 0
	for i := range 300 {
		n := []int{minLiterals + r.IntN(300), r.IntN(2*fourStreams + 1), r.IntN(maxLiterals + 1), maxLiterals}[i%4]
		col := geometric(r, n)
		f := l.frameOf(col)
		if f == nil {
			continue
		}
		made++
		size, err := contentSize(f)
		if err != nil || size != n {
			t.Fatalf("%d bytes: frame says %d, error %v", n, size, err)
		}
		if got, err := dec.DecodeAll(f, nil); err != nil || !bytes.Equal(got, col) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		ours, others = ours+len(f), others+len(enc.EncodeAll(col, nil))
	}
	if t.Logf("%d frames of %d bytes, a compressor's of %d", made, ours, others); made < 100 || ours >= others {
		t.Errorf("%d frames of %d bytes, a compressor's of %d", made, ours, others)
	}
	for _, col := range [][]byte{nil, {1}, make([]byte, 1000), random(r, 1000)} {
		if f := l.frameOf(col); f != nil {
			t.Errorf("%d bytes that do not profit: frame of %d", len(col), len(f))
		}
	}
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// What a Packer packed before makes no difference, and it needs no more memory.
func TestPackerAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	var cols [][]byte
	for _, n := range []int{5, 0, 700, 5000, 300_000, window + 5} {
		cols = append(cols, geometric(r, n))
	}
	var p Packer
	var dst []byte
	want := Pack(nil, cols...)
	for range 3 {
		for i := range cols {
			p.Pack(nil, cols[i:]...)
		}
		if dst = p.Pack(dst[:0], cols...); !bytes.Equal(dst, want) {
			t.Fatal("other bytes than a new Packer's")
		}
	}
	if n := testing.AllocsPerRun(5, func() { dst = p.Pack(dst[:0], cols...) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
