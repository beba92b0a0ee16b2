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

// fixed returns value·2^exp·clip in units of 2^−unit, rounded. Config keeps its
// magnitude within 2^44.
func fixed(value int64, exp int, clip gradient.Clip, unit int) int64 {
	hi, lo := bits.Mul64(magnitude(value), uint64(clip)) // at most 2^44 · 2^32
	if shift := 32 - exp - unit; shift <= 0 {
		lo <<= -shift
	} else {
		lo = roundShift128(hi, lo, uint(shift))
	}
	return signed(lo, value < 0)
}

// roundShift128 returns (hi·2^64 + lo)·2^−shift, rounded, for hi below 2^63, shift
// from 1 and a result below 2^64.
func roundShift128(hi, lo uint64, shift uint) uint64 {
	if shift > 64 {
		sticky := (lo | -lo) >> 63 // 1 unless lo is 0: no tie then
		return roundShift(hi<<1|sticky, shift-63)
	}
	q := hi<<(64-shift) | lo>>shift // shifts of 64 give 0
	rest := lo << (64 - shift)
	if half := uint64(1) << 63; rest > half || (rest == half && q&1 == 1) {
		q++
	}
	return q
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
