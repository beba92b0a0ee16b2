package kernel

// This file holds the loops of the merge to integer arithmetic, at every length.

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// integers draws integers of up to so many bits, of all sizes.
func integers(r *rand.Rand, n, bits int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = r.Int64N(1 << (1 + r.IntN(bits)))
		if r.IntN(2) == 0 {
			v[i] = -v[i]
		}
	}
	return v
}

// quotient returns x/n, rounded to nearest, ties to even.
func quotient(x, n *big.Int) *big.Int {
	q, m := new(big.Int).DivMod(x, n, new(big.Int))
	switch c := m.Lsh(m, 1).Cmp(n); {
	case c > 0, c == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return q
}

// scales draws what dense values are multiplied by: a clip factor of up to 33 bits,
// often one that makes ties, times a power of two.
func scales(r *rand.Rand) (clip int64, shift uint, scale float64) {
	clip = []int64{1 << 32, 1 + r.Int64N(1<<32), 1 << r.IntN(33), 3 << r.IntN(31), 0}[r.IntN(5)]
	shift = uint(r.IntN(80))
	return clip, shift, math.Ldexp(float64(clip), -int(shift))
}

func TestAddBytesRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for n := range 400 {
		clip, shift, scale := scales(r)
		m, got := make([]byte, n), integers(r, n, 62)
		want := slices.Clone(got)
		for i := range m {
			m[i] = byte(r.Uint32())
			x := new(big.Int).Mul(big.NewInt(int64(int8(m[i]))), big.NewInt(clip))
			want[i] += quotient(x, new(big.Int).Lsh(big.NewInt(1), shift)).Int64()
		}
		before := slices.Clone(got)
		if AddBytes(got, m, scale); !slices.Equal(got, want) {
			t.Fatalf("length %d, scale %v: %v, want %v", n, scale, got, want)
		}
		SetBytes(got, m, scale)
		if Add(got, before); !slices.Equal(got, want) {
			t.Fatalf("length %d, scale %v: set and added to %v, want %v", n, scale, got, want)
		}
	}
}

func TestTopIsTheLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for n := range 400 {
		vals, want := integers(r, n, 62), uint64(0)
		if n > 0 && r.IntN(4) == 0 {
			vals[r.IntN(n)] = -math.MaxInt64
		}
		for _, v := range vals {
			want = max(want, uint64(max(v, -v)))
		}
		if got := Top(vals); got != want {
			t.Fatalf("length %d: %d, want %d", n, got, want)
		}
	}
}

func TestDivideRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for n := range 400 {
		by := []int64{1, 2, 3, 4, 1 + r.Int64N(1000), 1 + r.Int64N(MaxMagnitude), MaxMagnitude}[r.IntN(7)]
		vals := integers(r, n, 51)
		want := slices.Clone(vals)
		for i, v := range vals {
			if r.IntN(2) == 0 && by <= 1000 { // a tie, or next to one
				v = (v/by/2*2+1)*by/2 + r.Int64N(3) - 1
			}
			v = min(max(v, -MaxMagnitude), MaxMagnitude)
			vals[i], want[i] = v, quotient(big.NewInt(v), big.NewInt(by)).Int64()
		}
		if Divide(vals, by); !slices.Equal(vals, want) {
			t.Fatalf("length %d, by %d: %v, want %v", n, by, vals, want)
		}
	}
}

func TestPackRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for n := range 400 {
		vals, shift := integers(r, n, 51), uint(r.IntN(60))
		limit := int64(1)<<(2+r.IntN(14)) - 1
		bitmap, out := make([]byte, (n+7)/8), make([]byte, 2*n+PackRoom)
		wantMap, want := make([]byte, len(bitmap)), []byte{}
		for i := range bitmap {
			bitmap[i] = 0xff // what was there does not matter
		}
		for i, v := range vals {
			q := quotient(big.NewInt(v), new(big.Int).Lsh(big.NewInt(1), shift)).Int64()
			if q = min(max(q, -limit), limit); q != 0 {
				wantMap[i/8] |= 1 << (i % 8)
				want = binary.LittleEndian.AppendUint16(want, uint16(q))
			}
		}
		used := Pack(bitmap, out, vals, shift, int16(limit))
		if !bytes.Equal(bitmap, wantMap) || !bytes.Equal(out[:used], want) {
			t.Fatalf("length %d, shift %d, limit %d: %x %x, want %x %x", n, shift, limit, bitmap, out[:used], wantMap, want)
		}
	}
}

func TestExchangeSorts(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for n := range 400 {
		a, b := integers(r, n, 62), integers(r, n, 62)
		low, high := slices.Clone(a), slices.Clone(b)
		for i := range a {
			low[i], high[i] = min(a[i], b[i]), max(a[i], b[i])
		}
		if Exchange(a, b); !slices.Equal(a, low) || !slices.Equal(b, high) {
			t.Fatalf("length %d: %v %v, want %v %v", n, a, b, low, high)
		}
	}
}
