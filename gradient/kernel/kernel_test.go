package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every length, aligned or not, and nothing beyond it.
func TestLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for n := range 300 {
		a, start, now := make([]float32, n+1), make([]float32, n), make([]float32, n)
		for i := range n {
			a[i], start[i], now[i] = float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64())
		}
		want := append([]float32(nil), a...)
		plainJoin(want[:n], want[:n], start, now, 0.5)
		a[n] = 7
		Join(a[:n], a[:n], start, now, 0.5)
		if want[n] = 7; n > 0 && math.Float32bits(a[n-1]) != math.Float32bits(want[n-1]) || a[n] != 7 {
			t.Fatalf("length %d: %v, want %v", n, a, want)
		}
		mask := make([]uint64, (n+GroupLen-1)/GroupLen)
		Mark(mask, a[:n], math.Float32bits(0.5))
		var places, index []uint16
		for i, v := range a[:n] {
			if math.Abs(float64(v)) >= 0.5 {
				places = append(places, uint16(i))
			}
		}
		index = make([]uint16, 64*len(mask))
		if got := index[:Places(index, mask)]; !slices.Equal(got, places) {
			t.Fatalf("length %d: places %v, want %v", n, got, places)
		}
		xs := make([]uint32, n)
		wantSum, wantNum := uint64(0), uint64(0)
		for i := range xs {
			xs[i] = r.Uint32N(100)
			if xs[i] >= 40 {
				wantSum, wantNum = wantSum+uint64(xs[i]), wantNum+1
			}
		}
		if sum, num := SumFrom(xs, 40); sum != wantSum || num != wantNum {
			t.Fatalf("length %d: sum %d of %d, want %d of %d", n, sum, num, wantSum, wantNum)
		}
		exp := Align(xs, a[:n])
		for i, v := range a[:n] {
			if want := uint32(math.Ldexp(math.Abs(float64(v)), 157-int(exp))); xs[i] != want || want >= 1<<31 {
				t.Fatalf("length %d: %v with exponent %d is %d, want %d", n, v, exp, xs[i], want)
			}
		}
		if top := slices.Max(append(xs, 0)); top < 1<<30 && n > 0 {
			t.Fatalf("length %d: the largest is %d", n, top)
		}
		for i := range 64 * len(mask) {
			if got, want := mask[i/64]>>(i%64)&1 == 1, i < n && math.Abs(float64(a[i])) >= 0.5; got != want {
				t.Fatalf("length %d: bit %d is %v", n, i, got)
			}
		}
	}
}

func TestWrongLengthsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"mask":     func() { Mark(make([]uint64, 1), make([]float32, 65), 0) },
		"join":     func() { Join(make([]float32, 2), make([]float32, 2), make([]float32, 2), make([]float32, 1), 1) },
		"bytes":    func() { AddBytes(make([]int64, 2), make([]byte, 1), 1) },
		"set":      func() { SetBytes(make([]int64, 2), make([]byte, 1), 1) },
		"add":      func() { Add(make([]int64, 2), make([]int64, 3)) },
		"exchange": func() { Exchange(make([]int64, 2), make([]int64, 1)) },
		"pack":     func() { Pack(make([]byte, 1), make([]byte, 2), make([]int64, 1), 0, 1) },
		"places":   func() { Places(make([]uint16, 63), make([]uint64, 1)) },
		"many":     func() { Places(make([]uint16, 65600), make([]uint64, 1025)) },
		"bound":    func() { SumFrom(make([]uint32, 1), 1<<31) },
		"align":    func() { Align(make([]uint32, 1), make([]float32, 2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
