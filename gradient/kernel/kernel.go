package kernel

// This file holds the two loops and what they mean.

import "math"

// GroupLen is the number of values that one word of a mask stands for.
const GroupLen = 64

const magnitude = 0x7fffffff // float32 bits without the sign; orders as the magnitudes do

// Mark sets bit i%64 of mask[i/64] if the magnitude of vals[i] is at least that
// whose bits are t, without a sign, and clears it otherwise: NaN and infinities are
// above every number. mask has ⌈len(vals)/64⌉ words; bits beyond the end are 0.
func Mark(mask []uint64, vals []float32, t uint32) {
	if len(mask) != (len(vals)+GroupLen-1)/GroupLen {
		panic("kernel: mask does not fit the values")
	}
	if t > magnitude {
		panic("kernel: a magnitude with a sign")
	}
	n := len(vals) / GroupLen
	if n > 0 {
		mark(mask[:n], vals[:n*GroupLen], t)
	}
	if n < len(mask) {
		plainMark(mask[n:], vals[n*GroupLen:], t)
	}
}

func plainMark(mask []uint64, vals []float32, t uint32) {
	clear(mask)
	for i, v := range vals {
		if math.Float32bits(v)&magnitude >= t {
			mask[i/GroupLen] |= 1 << (i % GroupLen)
		}
	}
}

// Join sets a[i] to β·e[i] + (start[i] − now[i]), each operation rounded to
// float32. All have the same length; a may be any of the others.
func Join(a, e, start, now []float32, beta float32) {
	if len(e) != len(a) || len(start) != len(a) || len(now) != len(a) {
		panic("kernel: lengths differ")
	}
	n := len(a) / GroupLen * GroupLen
	if n > 0 {
		join(a[:n], e[:n], start[:n], now[:n], beta)
	}
	plainJoin(a[n:], e[n:], start[n:], now[n:], beta)
}

func plainJoin(a, e, start, now []float32, beta float32) {
	for i, v := range now {
		a[i] = float32(beta*e[i]) + float32(start[i]-v)
	}
}
