package aggregation

// This file holds the rounding arithmetic of the merge. Everything rounds to
// nearest, ties to even, and is symmetric in the sign.

import (
	"math/bits"

	"lode/gradient"
)

// roundShift returns x·2^−shift, rounded, for shift from 0.
func roundShift(x uint64, shift uint) uint64 {
	if shift == 0 {
		return x
	}
	if shift > 64 {
		return 0
	}
	q, rest, half := x>>shift, x&(1<<shift-1), uint64(1)<<(shift-1)
	if rest > half || (rest == half && q&1 == 1) {
		q++
	}
	return q
}

// fixed returns mantissa·2^exp·clip in units of 2^−unit, rounded. Config keeps
// its magnitude within 2^44.
func fixed(mantissa int32, exp int, clip gradient.Clip, unit int) int64 {
	x := magnitude(int64(mantissa)) * uint64(clip) // at most 2^8 · 2^32
	if shift := exp + unit - 32; shift >= 0 {
		x <<= shift
	} else {
		x = roundShift(x, uint(-shift))
	}
	return signed(x, mantissa < 0)
}

// divide returns x/n, rounded, for n above 0.
func divide(x int64, n int64) int64 {
	u, d := magnitude(x), uint64(n)
	q, rest := u/d, u%d
	if 2*rest > d || (2*rest == d && q&1 == 1) {
		q++
	}
	return signed(q, x < 0)
}

// scale returns x·factor·2^−16, rounded, for a result below 2^63.
func scale(x int64, factor uint32) int64 {
	hi, lo := bits.Mul64(magnitude(x), uint64(factor))
	q := hi<<(64-q16Bits) | lo>>q16Bits
	rest, half := lo&(One-1), uint64(One/2)
	if rest > half || (rest == half && q&1 == 1) {
		q++
	}
	return signed(q, x < 0)
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return uint64(-x)
	}
	return uint64(x)
}

func signed(x uint64, negative bool) int64 {
	if negative {
		return -int64(x)
	}
	return int64(x)
}
