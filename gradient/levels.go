package gradient

// This file holds the quantiser: levels fitted to the kept magnitudes of a
// chunk. A magnitude becomes x·2^b with x below 2^31 and b common to the chunk.
//
// L levels lie between a low and a high one along a fixed curve, so that two
// mantissas say them all. With two levels they are the means that Lloyd's
// iteration ends with (Lloyd 1982), in integers throughout; with more, low and
// high are the least-squares fit under the assignment, iterated the same way.

import (
	"math"
	"math/bits"
	"slices"

	"lode/gradient/kernel"
)

const (
	maxValueBits   = 4 // sign and three bits of level
	maxLevels      = 1 << maxValueBits / 2
	magnitudeBits  = 31  // of the largest x
	maxFits        = 16  // iterations; the levels settle long before
	levelBits      = 8   // of a mantissa
	expoOfFraction = 150 // float32 = fraction·2^(biased exponent − 150)
)

// curves holds, for L = 1, 2, 4 and 8, where the levels lie between the low one
// at 0 and the high one at 256. What top-k keeps of heavy-tailed values thins
// out upwards: steps grow by a third from one level to the next.
var curves = [maxValueBits][]uint32{{256}, {0, 256}, {0, 62, 144, 256}, {0, 13, 31, 54, 86, 127, 183, 256}}

// levels are the magnitudes m·2^exp of a chunk, ascending, L of them. All zero
// stands for a chunk of zeros.
type levels struct {
	exp      int
	mantissa [maxLevels]uint32
	cut      [maxLevels]uint64 // x at or above cut[i] takes level i or a higher one
}

// mantissasOf returns the levels between lo and hi.
func mantissasOf(curve []uint32, lo, hi uint32) (m [maxLevels]uint32) {
	for i, at := range curve {
		m[i] = lo + ((hi-lo)*at+128)/256
	}
	return m
}

// minSpread is the least hi − lo between which the levels are told apart.
func minSpread(curve []uint32) uint32 {
	for spread := uint32(1); ; spread++ {
		m, distinct := mantissasOf(curve, 0, spread), true
		for i := range curve[1:] {
			distinct = distinct && m[i] < m[i+1]
		}
		if distinct {
			return spread
		}
	}
}

// spreads holds minSpread of each curve.
var spreads = [maxValueBits]uint32{minSpread(curves[0]), minSpread(curves[1]), minSpread(curves[2]), minSpread(curves[3])}

// magnitudes writes the fixed-point magnitudes of vals into xs and returns the
// common exponent b: |value| = x·2^b, what falls below is cut off.
func magnitudes(xs []uint32, vals []float32) (b int) {
	return int(kernel.Align(xs, vals)) - expoOfFraction - (magnitudeBits - 24)
}

// digits returns how many significant bits a fit gives the outer mantissas. Against
// 8 they add to the error that two levels leave at best a twentieth on heavy tails
// and a half on normal data, which is next to nothing of what selection leaves and
// is sent later by error feedback; scales then take a third less.
func (p Params) digits() int { return max(3, p.Bits+1) }

// fit returns the levels for magnitudes xs·2^b within the bounds of p.
func fit(xs []uint32, b int, p Params) levels {
	curve := curves[p.Bits-1]
	hi, lo := outer(xs, curve)
	hi, lo = roundDigits(hi, p.digits()), roundDigits(lo, p.digits())
	if hi == 0 {
		return levels{}
	}
	shift := min(max(bits.Len64(hi)-levelBits, int(p.EMin)-b), int(p.EMax)-b)
	hi, lo = roundShift(hi, shift), roundShift(lo, shift)
	if limit := uint64(1)<<levelBits - 1<<(levelBits-p.digits()); hi > limit {
		hi, lo = limit, min(lo, limit) // beyond EMax
	}
	if hi == 0 {
		return levels{}
	}
	merged := hi-lo < uint64(spreads[p.Bits-1])
	if merged {
		lo = 0 // one level: whatever is not zero takes the highest
		if hi < uint64(spreads[p.Bits-1]) && slices.Contains(xs, 0) {
			return levels{} // too small to be told from zero with levels between
		}
	}
	lv := levels{exp: b + shift, mantissa: mantissasOf(curve, uint32(lo), uint32(hi))}
	for i := range curve[1:] {
		lv.cut[i+1] = 1 // where all is one, or everything saturates
		if between := uint64(lv.mantissa[i] + lv.mantissa[i+1]); !merged && shift >= 0 {
			lv.cut[i+1] = (between<<shift + 1) / 2
		}
	}
	return lv
}

// roundDigits returns x rounded to so many significant bits.
func roundDigits(x uint64, digits int) uint64 {
	drop := max(bits.Len64(x)-digits, 0)
	return roundShift(x, drop) << drop
}

// outer returns the highest and the lowest level that fit xs.
func outer(xs []uint32, curve []uint32) (hi, lo uint64) {
	switch len(curve) {
	case 1:
		mean := meanOf(xs)
		return mean, mean
	case 2:
		return lloyd(xs)
	}
	return regress(xs, curve)
}

// lloyd returns the means of the two groups of xs that Lloyd's iteration ends
// with, started at the mean of all. If all are equal both means are.
func lloyd(xs []uint32) (hi, lo uint64) {
	sum, n := sumOf(xs), uint64(len(xs))
	cut := (sum + n/2) / n
	for range maxFits {
		sumHi, numHi := kernel.SumFrom(xs, uint32(cut))
		if numHi == 0 || numHi == n {
			return cut, cut
		}
		hi = (sumHi + numHi/2) / numHi
		lo = (sum - sumHi + (n-numHi)/2) / (n - numHi)
		next := (hi + lo + 1) / 2
		if next == cut {
			break
		}
		cut = next
	}
	return hi, lo
}

// regress returns the ends of a curve of levels: from the extremes of xs on, it
// assigns every x to its nearest level and moves the ends to the least-squares
// fit, until nothing changes.
func regress(xs []uint32, curve []uint32) (hi, lo uint64) {
	low, high := float64(xs[0]), float64(xs[0])
	for _, x := range xs {
		low, high = min(low, float64(x)), max(high, float64(x))
	}
	for range maxFits {
		a, b := refit(xs, curve, low, high)
		if a == low && b == high {
			break
		}
		low, high = a, b
	}
	return uint64(math.RoundToEven(max(high, 0))), uint64(math.RoundToEven(min(max(low, 0), max(high, 0))))
}

// refit solves the normal equations of Σ (x − (1−c)·low − c·high)² with c the
// place of the nearest level on the curve.
func refit(xs []uint32, curve []uint32, low, high float64) (float64, float64) {
	var cuts [maxLevels]float64
	for i := range curve[1:] {
		cuts[i] = low + float64((high-low)*(float64(curve[i]+curve[i+1])/512))
	}
	var aa, ab, bb, ax, bx float64
	for _, v := range xs {
		i := 0
		for i < len(curve)-1 && float64(v) >= cuts[i] {
			i++
		}
		x, c := float64(v), float64(float64(curve[i])/256)
		aa += float64((1 - c) * (1 - c))
		ab += float64((1 - c) * c)
		bb += float64(c * c)
		ax += float64((1 - c) * x)
		bx += float64(c * x)
	}
	det := float64(aa*bb) - float64(ab*ab)
	if det <= 0 {
		return low, high
	}
	return (float64(ax*bb) - float64(bx*ab)) / det, (float64(bx*aa) - float64(ax*ab)) / det
}

func meanOf(xs []uint32) uint64 {
	n := uint64(len(xs))
	return (sumOf(xs) + n/2) / n
}

func sumOf(xs []uint32) uint64 {
	sum, _ := kernel.SumFrom(xs, 0)
	return sum
}

// reach returns 1 if x is at least cut, which is below 2^63, else 0.
func reach(x, cut uint64) byte { return byte((cut - 1 - x) >> 63) }

// roundShift returns x·2^−shift rounded half to even, or the largest number if
// shift is negative and x is not 0.
func roundShift(x uint64, shift int) uint64 {
	switch {
	case shift < 0:
		if x == 0 {
			return 0
		}
		return math.MaxUint64
	case shift == 0:
		return x
	case shift > 62:
		return 0
	}
	q, rest, half := x>>shift, x&(1<<shift-1), uint64(1)<<(shift-1)
	if rest > half || (rest == half && q&1 == 1) {
		q++
	}
	return q
}
