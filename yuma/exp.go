package yuma

// This file holds the exponential series and the logistic curve built on it.

import "math/bits"

const (
	expLimit = 20 * one // arguments are clamped to ±20, so that e^x fits
	expTerms = 31       // index of the last term of the series
	// euler is e cut to 23 fraction bits: what the chain's fixed-point library
	// returns for an argument of exactly one (substrate-fixed v0.6.0,
	// src/transcendental.rs).
	euler Q32 = 22802600 << 9
)

// reciprocal divides by a small constant: floor(x/i) = (x·mult)>>(64+shift) for
// every x below 2⁶³.
type reciprocal struct {
	mult  uint64
	shift uint
}

var reciprocals = newReciprocals()

// newReciprocals makes the table for 2..expTerms. With shift = ⌈log2 i⌉−1 the
// multiplier ⌈2^(64+shift)/i⌉ fits 64 bits and exceeds the true quotient by less
// than 1, so the error of the product stays below 1/i while x < 2⁶³.
func newReciprocals() (t [expTerms + 1]reciprocal) {
	for i := uint64(2); i <= expTerms; i++ {
		shift := uint(bits.Len64(i-1)) - 1
		q, rem := bits.Div64(1<<shift, 0, i)
		if rem > 0 {
			q++
		}
		t[i] = reciprocal{mult: q, shift: shift}
	}
	return t
}

// exp returns e^x by the chain's series: r = 1+y, t = y, then for i = 2..31
// t = floor(floor(t·y)/i), r += t, where y = |x|; a negative x gives 1/r.
func exp(x Q32) Q32 {
	x = clamp(x, -expLimit, expLimit)
	switch x {
	case 0:
		return one
	case one:
		return euler
	}
	y := Q32(magnitude(x))
	r, t := one+y, y
	for i := 2; i <= expTerms && t > 0; i++ {
		c := reciprocals[i]
		hi, _ := bits.Mul64(uint64(mulPart(t, y)), c.mult)
		t = Q32(hi >> c.shift)
		r += t
	}
	if x < 0 {
		return div(one, r)
	}
	return r
}

// logistic returns 1/(1+e^(−steep·(x−mid))).
func logistic(x, mid, steep Q32) Q32 {
	return div(one, one+exp(mul(-steep, x-mid)))
}
