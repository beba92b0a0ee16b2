package gradient

// This file holds norms as exact integers, and the clip factor between two.

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// Norm is the squared Euclidean norm of an update, exact, in units of 2^(2·EMin)
// of its parameters: a 128-bit integer. Norms of one run are comparable, since
// its parameters are; Hi and Lo are what a record stores. Exponent bounds and
// the size of layouts keep it from overflowing.
type Norm struct{ Hi, Lo uint64 }

// Clip is a factor from 0 to 1 in units of 2⁻³².
type Clip uint64

const (
	clipBits = 32

	// Unclipped is the clip factor 1.
	Unclipped Clip = 1 << clipBits
)

// NormSquared returns the exact squared norm of the decoded update.
func (u *Update) NormSquared() Norm {
	var total Norm
	var entries []Entry
	for c := range u.f.layout.Chunks() {
		entries, _ = u.Entries(entries[:0], c)
		for _, e := range entries {
			total = total.plusSquare(e.Value)
		}
	}
	return total
}

// plusSquare returns n + x².
func (n Norm) plusSquare(x int64) Norm {
	m := uint64(max(x, -x))
	hi, lo := bits.Mul64(m, m)
	var carry uint64
	n.Lo, carry = bits.Add64(n.Lo, lo, 0)
	n.Hi, carry = bits.Add64(n.Hi, hi, carry)
	if carry != 0 {
		panic("gradient: norm exceeds 128 bits")
	}
	return n
}

// Compare orders norms: -1 if n is smaller than m, 0 if equal, 1 if larger.
func (n Norm) Compare(m Norm) int {
	if c := cmp.Compare(n.Hi, m.Hi); c != 0 {
		return c
	}
	return cmp.Compare(n.Lo, m.Lo)
}

// Exceeds tells whether the norm of n (not squared) is above times that of ref.
func (n Norm) Exceeds(ref Norm, times uint16) bool {
	t := uint64(times) * uint64(times)
	hi, mid := bits.Mul64(ref.Hi, t)
	carry, lo := bits.Mul64(ref.Lo, t)
	mid, c := bits.Add64(mid, carry, 0)
	return hi+c == 0 && n.Compare(Norm{mid, lo}) > 0
}

// ClipTo returns the factor that brings n down to ref: the floor of
// min(1, √ref/√n)·2^32, exactly.
func (n Norm) ClipTo(ref Norm) Clip {
	if n.Compare(ref) <= 0 {
		return Unclipped
	}
	f := Clip(0)
	for bit := Clip(1) << (clipBits - 1); bit != 0; bit >>= 1 {
		if n.scaledAtMost(f|bit, ref) {
			f |= bit
		}
	}
	return f
}

// scaledAtMost tells whether f²·n <= ref·2^64, in 192 bits, for f below 1.
func (n Norm) scaledAtMost(f Clip, ref Norm) bool {
	square := uint64(f) * uint64(f)
	hi, mid := bits.Mul64(n.Hi, square)
	carry, lo := bits.Mul64(n.Lo, square)
	mid, c := bits.Add64(mid, carry, 0)
	hi += c
	if k := (Norm{hi, mid}).Compare(ref); k != 0 {
		return k < 0
	}
	return lo == 0
}

// Float64 returns the norm (not squared) under p, for people to read; nothing
// may be decided by it.
func (n Norm) Float64(p Params) float64 {
	square := float64(math.Ldexp(float64(n.Hi), 64)) + float64(n.Lo)
	return math.Ldexp(math.Sqrt(square), int(p.EMin))
}

// LowerMedian returns the norm at the middle, the lower of two; the zero Norm of
// none. It leaves norms as they are.
func LowerMedian(norms []Norm) Norm {
	if len(norms) == 0 {
		return Norm{}
	}
	sorted := slices.Clone(norms)
	slices.SortFunc(sorted, Norm.Compare)
	return sorted[(len(sorted)-1)/2]
}
