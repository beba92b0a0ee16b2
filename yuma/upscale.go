package yuma

// This file holds what happens to a row of weights before it is stored.

import "math/bits"

// MaxUpscale writes to dst, of the same length, the scores scaled so that the
// largest becomes 65535, rounded half up. Scores must not be negative; if all are
// zero, so is dst.
func MaxUpscale(dst []uint16, scores []int64) {
	if len(dst) != len(scores) {
		panic("yuma: scores and weights differ in length")
	}
	var top uint64
	for _, x := range scores {
		if x < 0 {
			panic("yuma: negative score")
		}
		top = max(top, uint64(x))
	}
	for i, x := range scores {
		dst[i] = upscale(uint64(x), top)
	}
}

// upscale returns x·65535/top, rounded half up. For 16-bit scores it is the
// chain's number, which truncates to 32 fraction bits before it rounds: the
// factor 65535/top above 32768 (the product would leave an I32F32), the whole
// quotient below.
func upscale(x, top uint64) uint16 {
	switch {
	case top == 0:
		return 0
	case top > full:
		hi, lo := bits.Mul64(x, full)
		lo, carry := bits.Add64(lo, top/2, 0)
		q, _ := bits.Div64(hi+carry, lo, top)
		return uint16(q)
	case top > full/2+1:
		return uint16((x*(full<<32/top) + uint64(half)) >> 32)
	}
	return uint16((x*full<<32/top + uint64(half)) >> 32)
}

// WithinLimit reports whether the largest share of a row is at most limit/65535;
// 65535 always is, and so is a row without weight.
func WithinLimit(v []uint16, limit uint16) bool {
	var total, top uint64
	for _, x := range v {
		total += uint64(x)
		top = max(top, uint64(x))
	}
	if limit == full || total == 0 {
		return true
	}
	return Q32(top<<32/total) <= Proportion(limit)
}
