package gradient

// This file holds the quantiser: two levels fitted to the kept magnitudes of a
// chunk, in integers from the first step on, so that every machine finds the
// same. A magnitude becomes x·2^b with x below 2^31 and b common to the chunk.

import (
	"math"
	"math/bits"
)

const (
	magnitudeBits  = 31 // of the largest x
	maxFits        = 16 // Lloyd iterations; the levels settle long before
	levelBits      = 8  // of a mantissa
	fitBits        = 5  // of those, what the fit makes use of; the rest are 0
	spareBits      = levelBits - fitBits
	maxFit         = 1<<fitBits - 1
	expoOfFraction = 150 // float32 = fraction·2^(biased exponent − 150)
)

// levels are the two magnitudes of a chunk: hi·2^exp and lo·2^exp. All zero
// stands for a chunk of zeros.
type levels struct {
	exp    int
	hi, lo uint32
	cut    uint64 // x at or above it takes hi
}

// magnitudes writes the fixed-point magnitudes of vals at index into xs and
// returns the common exponent b: |value| = x·2^b, what falls below is cut off.
func magnitudes(xs []uint32, vals []float32, index []uint16) (b int) {
	top := uint32(0)
	for i, at := range index {
		xs[i] = math.Float32bits(vals[at]) & magnitudeMask
		top = max(top, xs[i])
	}
	topExp := max(top>>23, 1)
	for i, key := range xs[:len(index)] {
		exp, frac := key>>23, key&(1<<23-1)
		if exp == 0 {
			exp = 1 // subnormal: no hidden bit
		} else {
			frac |= 1 << 23
		}
		xs[i] = frac << (magnitudeBits - 24) >> (topExp - exp)
	}
	return int(topExp) - expoOfFraction - (magnitudeBits - 24)
}

// fit returns the levels for magnitudes xs·2^b within the bounds of p.
//
// It rounds levels to 5 bits. That adds at most a tenth to the squared error
// that two levels leave on normal data (far less on heavier tails, and error
// feedback sends it later), and saves some 0.15 bits per kept value at k = 64.
func fit(xs []uint32, b int, p Params) levels {
	hi, lo := lloyd(xs)
	if hi == 0 {
		return levels{}
	}
	shift := bits.Len64(hi) - fitBits
	if roundShift(hi, shift) > maxFit {
		shift++
	}
	base := b - spareBits // exponent at shift 0
	shift = min(max(shift, int(p.EMin)-base), int(p.EMax)-base)
	hi, lo = min(roundShift(hi, shift), maxFit), min(roundShift(lo, shift), maxFit)
	if hi == 0 {
		return levels{}
	}
	if lo == hi {
		lo = 0
	}
	lv := levels{exp: base + shift, hi: uint32(hi << spareBits), lo: uint32(lo << spareBits)}
	lv.cut = 1 // everything saturates, unless:
	if shift >= 0 {
		lv.cut = ((lo+hi)<<shift + 1) / 2
	}
	return lv
}

// lloyd returns the means of the two groups of xs that Lloyd's iteration ends
// with, started at the mean of all. If all are equal both means are.
func lloyd(xs []uint32) (hi, lo uint64) {
	sum := uint64(0)
	for _, x := range xs {
		sum += uint64(x)
	}
	n := uint64(len(xs))
	cut := (sum + n/2) / n
	for range maxFits {
		sumHi, numHi := above(xs, uint32(cut))
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

// above returns sum and number of the xs at or above cut.
func above(xs []uint32, cut uint32) (sum, num uint64) {
	for _, x := range xs {
		if x >= cut {
			sum += uint64(x)
			num++
		}
	}
	return sum, num
}

// roundShift returns x·2^−shift rounded half to even, or more than maxFit if
// shift is negative and x is not 0.
func roundShift(x uint64, shift int) uint64 {
	switch {
	case shift < 0:
		if x == 0 {
			return 0
		}
		return maxFit + 1
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
