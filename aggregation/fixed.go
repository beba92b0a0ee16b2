package aggregation

// This file holds the rounding arithmetic of the merge. Everything rounds to
// nearest, ties to even, and is symmetric in the sign.

import (
	"math"
	"math/bits"

	"lode/gradient"
	"lode/gradient/kernel"
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
	return q + above(rest+q&1, half) // a tie is above half where q is odd
}

// above returns 1 if x > y, else 0, without a branch: which way values round is
// chance, and processors lose time on branches they cannot foresee.
func above(x, y uint64) uint64 {
	_, less := bits.Sub64(y, x, 0)
	return less
}

// fixed turns values in units of 2^exp, times clip, into integers in units of
// 2^−unit, rounded. Config keeps their magnitude within 2^44.
type fixed struct {
	exp, unit int
	clip      gradient.Clip
}

// Scale implements [gradient.Rounding]: the factor has 33 digits.
func (f *fixed) Scale() float64 { return math.Ldexp(float64(f.clip), f.exp+f.unit-32) }

// Round implements [gradient.Rounding].
func (f *fixed) Round(value int64) int64 {
	hi, lo := bits.Mul64(magnitude(value), uint64(f.clip)) // at most 2^44 · 2^32
	switch shift := 32 - f.exp - f.unit; {
	case shift <= 0:
		lo <<= -shift
	case hi == 0:
		lo = roundShift(lo, uint(shift))
	default:
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

// divisor divides by one number again and again, by a multiplication.
type divisor struct{ n, inverse uint64 }

// newDivisor returns the divisor by n, above 0.
func newDivisor(n uint64) divisor { return divisor{n, math.MaxUint64 / n} }

// divideAll divides each of vals by n, as [divide] does, for n up to MaxMagnitude.
func divideAll(vals []int64, n int64) {
	if kernel.Top(vals) <= kernel.MaxMagnitude {
		kernel.Divide(vals, n)
		return
	}
	d := newDivisor(uint64(n))
	for i, v := range vals {
		vals[i] = d.divide(v)
	}
}

// divide returns x/n as [divide] does, for |x| < 2^63 and n below 2^62. The product misses the
// quotient by less than |x|/2^64 < 1, and only from below.
func (d divisor) divide(x int64) int64 {
	sign := uint64(x >> 63) // all bits if below 0
	u := (uint64(x) ^ sign) - sign
	q, _ := bits.Mul64(u, d.inverse)
	rest := u - q*d.n
	missed := above(rest+1, d.n)
	q, rest = q+missed, rest-missed*d.n
	q += above(2*rest+q&1, d.n)
	return int64((q ^ sign) - sign)
}

// divideWide returns (hi·2^64 + lo)/n, rounded, of 128 bits in two's complement,
// for n below 2^63 and a result below 2^63.
func divideWide(hi, lo, n uint64) int64 {
	negative := hi>>63 == 1
	if negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	q, rest := bits.Div64(hi, lo, n)
	return signed(q+above(2*rest+q&1, n), negative)
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

// shiftSigned returns x·2^−shift, rounded.
func shiftSigned(x int64, shift uint) int64 {
	return signed(roundShift(magnitude(x), shift), x < 0)
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
