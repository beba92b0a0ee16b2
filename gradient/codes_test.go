package gradient

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Numbers moved eight at a time lie where one after another would put them, for
// every width and every number of them.
func TestPackings(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, c := range []struct{ width, per int }{{1, 8}, {2, 4}, {3, 2}, {4, 2}} { // per byte
		p := newPacking(c.width, 16/c.per)
		for n := range 40 {
			numbers := make([]byte, (n+7)&^7)
			want := make([]byte, (n+c.per-1)/c.per)
			for i := range n {
				numbers[i] = byte(r.IntN(1 << c.width))
				want[i/c.per] |= numbers[i] << (i % c.per * c.width)
			}
			checkPacking(t, p, numbers, want)
		}
	}
	p := newPacking(3, 6) // the one that crosses bytes
	for n := range 40 {
		numbers := make([]byte, (n+7)&^7)
		want := make([]byte, (3*n+7)/8)
		for i := range n {
			numbers[i] = byte(r.IntN(8))
			for bit := range 3 {
				at := 3*i + bit
				want[at/8] |= numbers[i] >> bit & 1 << (at % 8)
			}
		}
		checkPacking(t, p, numbers, want)
	}
}

func checkPacking(t *testing.T, p packing, numbers, want []byte) {
	t.Helper()
	got, back := make([]byte, len(want)), make([]byte, len(numbers))
	for i := range len(numbers) / 8 {
		x := uint64(0)
		for j, v := range numbers[8*i : 8*i+8] {
			x |= uint64(v) << (8 * j)
		}
		p.to(got, i, x)
		for j, x := 0, p.from(want, i); j < 8; j++ {
			back[8*i+j] = byte(x >> (8 * j))
		}
	}
	if !bytes.Equal(got, want) || !bytes.Equal(back, numbers) {
		t.Fatalf("%v: packed %x, want %x; back %v", numbers, got, want, back)
	}
}

// TestCount counts what one code after another says.
func TestCount(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for bits := 1; bits <= maxValueBits; bits++ {
		for k := range 70 {
			c := topk{p: Params{Bits: bits}, k: k}
			code := make([]byte, k, k+8)
			var num [numCodes]int
			for i := range code {
				code[i] = byte(r.IntN(1 << bits))
				num[code[i]]++
			}
			codes := make([]byte, c.codesLen(k))
			c.putCodes(codes, code)
			at := c.top()
			top, low, signed := c.count(codes, k)
			if wantTop, wantLow := num[at]+num[at|(at+1)], num[0]+num[at+1]; top != wantTop || low != wantLow || signed != num[at+1] {
				t.Fatalf("%d codes of %d bits: %d %d %d, want %d %d %d", k, bits, top, low, signed, wantTop, wantLow, num[at+1])
			}
		}
	}
}
