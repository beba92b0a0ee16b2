package yuma

// This file holds the number format: signed fixed point with 32 fraction bits.

import (
	"math"
	"math/bits"
)

// Q32 is a number in units of 2⁻³², the I32F32 of the reference chain. One is
// 1<<32. Products floor, quotients truncate toward zero, results that do not fit
// saturate (products, sums) or become zero (quotients).
type Q32 int64

const (
	one  Q32 = 1 << 32
	half Q32 = 1 << 31
	full     = math.MaxUint16 // the uint16 that stands for one
)

// Proportion returns v/65535, truncated.
func Proportion(v uint16) Q32 {
	return Q32(uint64(v) << 32 / full)
}

// Uint16 returns floor(q·65535), at least 0 and at most 65535: how a proportion
// is stored.
func (q Q32) Uint16() uint16 {
	switch {
	case q <= 0:
		return 0
	case q >= one:
		return full
	}
	return uint16(uint64(q) * full >> 32)
}

// Of returns floor(q·amount), the part q of an amount. q must lie in [0, 1].
func (q Q32) Of(amount uint64) uint64 {
	if q < 0 || q > one {
		panic("yuma: a part of an amount must lie between 0 and 1")
	}
	hi, lo := bits.Mul64(uint64(q), amount)
	return hi<<32 | lo>>32
}

// mul returns floor(a·b) for any signs, saturating.
func mul(a, b Q32) Q32 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if a < 0 {
		hi -= uint64(b)
	}
	if b < 0 {
		hi -= uint64(a)
	}
	// hi:lo is the signed 128-bit product; bits 32..95 are the result.
	switch top := int64(hi) >> 31; {
	case top > 0:
		return math.MaxInt64
	case top < -1:
		return math.MinInt64
	}
	return Q32(hi<<32 | lo>>32)
}

// mulPart is mul for 0 ≤ a, b ≤ 2³¹ whose product fits, the case of every inner loop.
func mulPart(a, b Q32) Q32 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return Q32(hi<<32 | lo>>32)
}

// div returns a/b truncated toward zero; 0 if b is 0 or the quotient does not fit.
func div(a, b Q32) Q32 {
	if b == 0 {
		return 0
	}
	x, y := magnitude(a), magnitude(b)
	hi, lo := x>>32, x<<32
	if hi >= y {
		return 0
	}
	q, _ := bits.Div64(hi, lo, y)
	switch neg := (a < 0) != (b < 0); {
	case neg && q <= 1<<63:
		return Q32(-q)
	case !neg && q <= math.MaxInt64:
		return Q32(q)
	}
	return 0
}

// quo is div for 0 ≤ a ≤ b, a part of a sum; parts below one take a single
// 64-bit division.
func quo(a, b Q32) Q32 {
	if b == 0 {
		return 0
	}
	if uint64(a) < 1<<32 {
		return Q32(uint64(a) << 32 / uint64(b))
	}
	return div(a, b)
}

// magnitude returns |a|; it is right for the smallest Q32 too.
func magnitude(a Q32) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func clamp(x, low, high Q32) Q32 {
	return max(low, min(x, high))
}

func sum(v []Q32) Q32 {
	var total Q32
	for _, x := range v {
		total += x
	}
	return total
}

// normalize divides every element by total, the sum of v; all stay if it is 0.
func normalize(v []Q32, total Q32) {
	if total == 0 {
		return
	}
	for i, x := range v {
		v[i] = quo(x, total)
	}
}
