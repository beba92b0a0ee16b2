package kernel

// This file holds the loops and what they mean.

import (
	"math"
	"math/bits"
)

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

// Places writes the numbers of the bits that are set in mask, ascending, to index,
// and returns how many they are; what lies beyond them in index is undefined. index
// has at least 64·len(mask) elements, mask at most 1,024 words.
func Places(index []uint16, mask []uint64) int {
	if len(index) < GroupLen*len(mask) || len(mask) > math.MaxUint16/GroupLen+1 {
		panic("kernel: no room for as many places as the mask has bits")
	}
	if len(mask) == 0 {
		return 0
	}
	return places(index, mask)
}

// Two places at a time, whether they are there or not: few words of a sparse mask
// have a third, and only those are mispredicted.
func plainPlaces(index []uint16, mask []uint64) int {
	n := 0
	for i, word := range mask {
		for first := uint16(i * GroupLen); ; {
			index[n] = first + uint16(bits.TrailingZeros64(word))
			n += isSet(word)
			word &= word - 1
			index[n] = first + uint16(bits.TrailingZeros64(word))
			n += isSet(word)
			if word &= word - 1; word == 0 {
				break
			}
		}
	}
	return n
}

// isSet returns 1 if a bit of word is set, else 0.
func isSet(word uint64) int { return int((word | -word) >> 63) }

// fewLen is the number of values that the assembly takes at a time of those that are
// few.
const fewLen = 16

// SumFrom returns sum and number of the xs that are at least t. No x, nor t, is 2^31
// or more.
func SumFrom(xs []uint32, t uint32) (sum, num uint64) {
	if t > magnitude {
		panic("kernel: a bound of 32 bits")
	}
	n := len(xs) / fewLen * fewLen
	if n > 0 {
		sum, num = sumFrom(xs[:n], t)
	}
	restSum, restNum := plainSumFrom(xs[n:], t)
	return sum + restSum, num + restNum
}

func plainSumFrom(xs []uint32, t uint32) (sum, num uint64) {
	for _, x := range xs {
		reaches := uint64(^(x - t) >> 31) // no branch: half of them would be mispredicted
		sum += uint64(x) & -reaches
		num += reaches
	}
	return sum, num
}

const (
	fractionBits = 23 // of a float32
	alignedBits  = 31 // of the largest result of Align
)

// Align sets xs[i] to the magnitude of vals[i], which are finite, in units that make
// the largest fit 31 bits, and returns its biased exponent, that of subnormals being
// 1: ⌊s·2^7/2^(exp − x)⌋ with x the biased exponent of vals[i] and s its 24
// significant bits. Both have the same length.
func Align(xs []uint32, vals []float32) (exp uint32) {
	if len(xs) != len(vals) {
		panic("kernel: lengths differ")
	}
	n := len(xs) / fewLen * fewLen
	exp = topExponent(vals[n:], 1)
	if n > 0 {
		exp = align(xs[:n], vals[:n], exp)
	}
	shiftTo(exp, xs[n:], vals[n:])
	return exp
}

func plainAlign(xs []uint32, vals []float32, least uint32) (top uint32) {
	top = topExponent(vals, least)
	shiftTo(top, xs, vals)
	return top
}

// topExponent returns the highest biased exponent of vals, or least.
func topExponent(vals []float32, least uint32) uint32 {
	for _, v := range vals {
		least = max(least, math.Float32bits(v)&magnitude>>fractionBits)
	}
	return least
}

func shiftTo(exp uint32, xs []uint32, vals []float32) {
	for i, v := range vals {
		key := math.Float32bits(v) & magnitude
		normal := (key + (1<<31 - 1<<fractionBits)) >> 31 // 0 if subnormal: no hidden bit
		shift := min(exp-max(key>>fractionBits, 1), alignedBits) & 31
		xs[i] = (key&(1<<fractionBits-1) | normal<<fractionBits) << (alignedBits - 24) >> shift
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
