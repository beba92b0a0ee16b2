package gradient

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"testing"

	"lode/tensor"
)

func itoa(n int) string     { return fmt.Sprint(n) }
func hexOf(x uint64) string { return fmt.Sprintf("%x", x) }

func bytesOf(v tensor.Flat) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func bigOf(n Norm) *big.Int {
	x := new(big.Int).Lsh(new(big.Int).SetUint64(n.Hi), 64)
	return x.Add(x, new(big.Int).SetUint64(n.Lo))
}

// The norm is the sum of squares of the decoded values, in rationals.
func TestNormIsExact(t *testing.T) {
	l := model(t)
	r := rand.New(rand.NewPCG(2, 3))
	for range 5 {
		u := mustEncode(t, l, DefaultParams(), hostile(r, l.Len()))
		want := new(big.Rat)
		for _, v := range decode(t, u) {
			want.Add(want, new(big.Rat).Mul(ratOf(v), ratOf(v)))
		}
		got := new(big.Rat).SetFrac(bigOf(u.NormSquared()), new(big.Int).Lsh(big.NewInt(1), 80))
		if got.Cmp(want) != 0 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// Adding squares, comparing and the clip factor agree with big integers.
func TestNormArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	one := new(big.Int).Lsh(big.NewInt(1), 64)
	draw := func() Norm { return Norm{r.Uint64() >> r.IntN(65), r.Uint64() >> r.IntN(64)} }
	for range 3000 {
		n, m := draw(), draw()
		n.Hi >>= 1
		x := (r.Int64N(1<<45) - 1<<44) >> r.IntN(45)
		want := new(big.Int).Mul(big.NewInt(x), big.NewInt(x))
		if got := bigOf(n.plusSquare(x)); got.Cmp(want.Add(want, bigOf(n))) != 0 {
			t.Fatalf("%v + %d²: got %v, want %v", n, x, got, want)
		}
		if got, want := n.Compare(m), bigOf(n).Cmp(bigOf(m)); got != want {
			t.Fatalf("compare %v with %v: got %d, want %d", n, m, got, want)
		}
		times := uint16(1 + r.IntN(9))
		limit := new(big.Int).Mul(bigOf(m), big.NewInt(int64(times)*int64(times)))
		if got, want := n.Exceeds(m, times), bigOf(n).Cmp(limit) > 0; got != want {
			t.Fatalf("%v exceeds %d × %v: got %v", n, times, m, got)
		}
		f := n.ClipTo(m)
		if bigOf(n).Cmp(bigOf(m)) <= 0 {
			if f != Unclipped {
				t.Fatalf("%v clipped to the larger %v by %d", n, m, f)
			}
			continue
		}
		// f = ⌊√(m·2^64/n)⌋
		q := new(big.Int).Mul(bigOf(m), one)
		q.Div(q, bigOf(n)).Sqrt(q)
		if q.Uint64() != uint64(f) {
			t.Fatalf("clip %v to %v: got %d, want %v", n, m, f, q)
		}
	}
}

func TestLowerMedian(t *testing.T) {
	norms := []Norm{{0, 9}, {1, 0}, {0, 3}, {0, 7}}
	if got := LowerMedian(norms); got != (Norm{0, 7}) {
		t.Errorf("got %v", got)
	}
	if got := LowerMedian(norms[:3]); got != (Norm{0, 9}) {
		t.Errorf("got %v", got)
	}
	if got := LowerMedian(nil); got != (Norm{}) {
		t.Errorf("of none: got %v", got)
	}
}

// Dot products agree with plain sums over decoded values, are the same bits at
// any number of cores, and of a vector with itself are its norm.
func TestDot(t *testing.T) {
	l := model(t)
	a, g := heavyTail(1, l.Len()), sample(2, l.Len(), "gauss")
	u, v := mustEncode(t, l, DefaultParams(), a), mustEncode(t, l, DefaultParams(), g)
	want, size := 0.0, 0.0
	for i, x := range decode(t, u) {
		want += float64(x) * float64(g[i])
		size += math.Abs(float64(x) * float64(g[i]))
	}
	got, err := Dot(u, g)
	if err != nil || math.Abs(got-want) > 1e-12*size { // 2^-52 for each of some thousand sums
		t.Errorf("⟨u, g⟩: got %v, want %v, error %v", got, want, err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if again, _ := Dot(u, g); again != got {
		t.Errorf("one core: %v, several: %v", again, got)
	}
	viaValues, err := Dot(u, v)
	viaEntries, err2 := DotVectors(u, v)
	if err != nil || err2 != nil || math.Abs(viaValues-viaEntries) > 1e-12*size {
		t.Errorf("⟨u, v⟩: %v from values, %v from entries (%v, %v)", viaValues, viaEntries, err, err2)
	}
	square, _ := DotVectors(u, u)
	if norm := u.NormSquared().Float64(u.Params()); math.Abs(math.Sqrt(square)-norm) > 1e-12*norm {
		t.Errorf("√⟨u, u⟩ = %v, norm %v", math.Sqrt(square), norm)
	}
	g[77] = float32(math.NaN())
	a[77] = 1 // surely kept
	if _, err := Dot(mustEncode(t, l, DefaultParams(), a), g); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN in g: got error %v", err)
	}
	if _, err := Dot(u, failing{}); !errors.Is(err, errRead) {
		t.Errorf("reader that fails: got error %v", err)
	}
}

func TestSubtractVector(t *testing.T) {
	l := model(t)
	for _, p := range codecsOn(t, l) {
		u := mustEncode(t, l, p, heavyTail(1, l.Len()))
		got := sample(2, l.Len(), "gauss")
		want := append(tensor.Flat(nil), got...)
		for i, v := range decode(t, u) {
			want[i] -= v
		}
		SubtractVector(got, u)
		if string(bytesOf(got)) != string(bytesOf(want)) {
			t.Errorf("%s: not the difference", p.name())
		}
	}
}

func TestOverlap(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, 4}})
	p := Params{Codec: TopK, K: 2048, Bits: 2, EMin: -10, EMax: 10} // 4 of 8
	enc := func(v ...float32) *Update { return mustEncode(t, l, p, tensor.Flat(v)) }
	a := enc(1, -1, 1, -1, 0, 0, 0, 0)
	for _, c := range []struct {
		b    *Update
		want uint16
	}{
		{a, 65535},
		{enc(-1, 1, -1, 1, 0, 0, 0, 0), 0},
		{enc(0, 0, 0, 0, 1, 1, 1, 1), 0},
		{enc(1, -1, -1, 0, 0, 0, 0, 1), 16383}, // two agree, one does not
		{enc(0, 0, 0, 0, 0, 0, 0, 0), 0},
	} {
		if got, err := Overlap(a, c.b); err != nil || got != c.want {
			t.Errorf("overlap with %v: got %d, want %d, error %v", decode(t, c.b), got, c.want, err)
		}
	}
	wide := mustEncode(t, l, Params{Codec: Dense, Bits: 8, EMin: -10, EMax: 10}, tensor.Flat{9, -9, 1, -1, 8, 8, 0, 1})
	if got, err := Overlap(a, wide); err != nil || got != 32767 {
		t.Errorf("with the largest of many: got %d, error %v, want half", got, err)
	}
	if got, err := Overlap(enc(0, 0, 0, 0, 0, 0, 0, 0), a); err != nil || got != 0 {
		t.Errorf("of nothing: got %d, error %v", got, err)
	}
	other := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{4, 2}})
	if _, err := Overlap(a, mustEncode(t, other, p, make(tensor.Flat, 8))); !errors.Is(err, ErrLayout) {
		t.Errorf("other layout: got error %v", err)
	}
}
