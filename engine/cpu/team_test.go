package cpu

import (
	"sync/atomic"
	"testing"
	"time"

	"lode/engine/kernel"
)

// TestShareDoesEachPartOnce, whether helpers are awake, asleep or not there.
func TestShareDoesEachPartOnce(t *testing.T) {
	for _, size := range []int{1, 2, 7} {
		team := team{size: size}
		for range 3 {
			team.begin()
			for i := range 200 {
				var done [50]atomic.Int32
				n := 1 + i%len(done)
				team.share(n, func(member, part int) {
					if member < 0 || member >= size {
						t.Errorf("member %d of %d", member, size)
					}
					done[part].Add(1)
				})
				for part := range done {
					if got := int(done[part].Load()); (part < n && got != 1) || (part >= n && got != 0) {
						t.Fatalf("%d members: part %d of %d was done %d times", size, part, n, got)
					}
				}
				if i%50 == 0 {
					time.Sleep(time.Millisecond) // until helpers sleep; nothing waits for it
				}
			}
			team.end()
		}
	}
}

// TestSplitCovers: ranges are disjoint, begin at multiples of the grain and cover all.
func TestSplitCovers(t *testing.T) {
	for _, size := range []int{1, 2, 5} {
		for _, n := range []int{0, 1, 7, 64, 1000} {
			for _, grain := range []int{1, 16, 300} {
				team := team{size: size}
				team.begin()
				seen := make([]atomic.Int32, n)
				team.split(n, grain, func(_, lo, hi int) {
					if lo%grain != 0 || (hi%grain != 0 && hi != n) || lo >= hi {
						t.Errorf("range %d to %d of %d, grain %d", lo, hi, n, grain)
					}
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
				})
				team.end()
				for i := range seen {
					if seen[i].Load() != 1 {
						t.Fatalf("%d of %d with grain %d was covered %d times", i, n, grain, seen[i].Load())
					}
				}
			}
		}
	}
}

// TestMultiplyCutsWithoutChange: products cut in every way have the bits of the whole.
func TestMultiplyCutsWithoutChange(t *testing.T) {
	values := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i%17) - 7.3*float32(i%5)
		}
		return x
	}
	team := team{size: 3}
	team.begin()
	defer team.end()
	for _, z := range [][3]int{{1, 1, 1}, {100, 70, 300}, {30, 2100, 2100}, {2100, 33, 700}} {
		a, b := kernel.Dense(values(z[0]*z[2]), z[0], z[2]), kernel.Dense(values(z[2]*z[1]), z[2], z[1])
		for _, turned := range []bool{false, true} {
			if turned {
				a, b = kernel.Dense(a.Data, z[2], z[0]).T(), kernel.Dense(b.Data, z[1], z[2]).T()
			}
			got, want := kernel.Dense(values(z[0]*z[1]), z[0], z[1]), kernel.Dense(values(z[0]*z[1]), z[0], z[1])
			kernel.Mul(want, a, b)
			team.multiply(got, a, b, false)
			kernel.MulAdd(want, a, b)
			team.multiply(got, a, b, true)
			for i, v := range want.Data {
				if got.Data[i] != v {
					t.Fatalf("%v, turned %v: value %d is %v, want %v", z, turned, i, got.Data[i], v)
				}
			}
		}
	}
}
