package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine/kernel"
)

// some returns every library that is installed. Where there is none the test says so
// and ends.
func some(t *testing.T) []*Library {
	t.Helper()
	all := installed()
	if len(all) == 0 {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: none of %q is installed (on Debian: apt install libopenblas0)", candidates)
	}
	return all
}

func random(r *rand.Rand, n, m int, turned bool) kernel.View {
	if turned {
		return random(r, m, n, false).T()
	}
	v := kernel.View{Rows: n, Cols: m, RowStep: m + r.IntN(4), ColStep: 1}
	v.Data = make([]float32, n*v.RowStep)
	for i := range v.Data {
		v.Data[i] = float32(r.NormFloat64())
	}
	return v
}

// TestLibrariesMultiply as package kernel does, up to rounding, and leave what lies
// between rows alone.
func TestLibrariesMultiply(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, l := range some(t) {
		for _, z := range [][3]int{{1, 1, 1}, {1, 7, 5}, {7, 1, 5}, {5, 7, 1}, {33, 65, 17}, {100, 64, 130}, {0, 3, 3}, {3, 0, 3}, {3, 3, 0}} {
			for form := range 8 {
				turnA, turnB, add := form&1 != 0, form&2 != 0, form&4 != 0
				a, b, c := random(r, z[0], z[2], turnA), random(r, z[2], z[1], turnB), random(r, z[0], z[1], false)
				want := c
				want.Data = append([]float32(nil), c.Data...)
				if add {
					kernel.MulAdd(want, a, b)
				} else {
					kernel.Mul(want, a, b)
				}
				l.Mul(c, a, b, add)
				for i, v := range want.Data {
					if math.Abs(float64(v-c.Data[i])) > 1e-4 {
						t.Fatalf("%s, %v, form %d: value %d is %v, want %v", l.Name(), z, form, i, c.Data[i], v)
					}
				}
			}
		}
	}
}

// TestChooseTakesTheFastest of what it measured.
func TestChooseTakesTheFastest(t *testing.T) {
	l, all := Choose()
	best := all[0]
	for _, m := range all {
		if m.Flops <= 0 {
			t.Errorf("%q does %v operations a second", m.Name, m.Flops)
		}
		if m.Flops > best.Flops {
			best = m
		}
	}
	if (l == nil) != (best.Name == "") || l != nil && l.Name() != best.Name {
		t.Errorf("chose %v of %v", l, all)
	}
	t.Log(all)
}

func TestByName(t *testing.T) {
	if l, err := ByName("off"); l != nil || err != nil {
		t.Errorf("off is %v, %v", l, err)
	}
	if _, err := ByName("libnothing.so.9"); err == nil {
		t.Error("a library that is not there was opened")
	}
	if _, err := ByName("auto"); err != nil {
		t.Errorf("auto: %v", err)
	}
	if l, err := ByName(some(t)[0].Name()); err != nil || l.Name() != some(t)[0].Name() {
		t.Errorf("by name: %v, %v", l, err)
	}
}
