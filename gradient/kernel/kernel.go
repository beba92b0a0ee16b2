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

// sumLen is the number of values that the assembly adds up at a time.
const sumLen = 16

// SumFrom returns sum and number of the xs that are at least t. No x, nor t, is 2^31
// or more.
func SumFrom(xs []uint32, t uint32) (sum, num uint64) {
	if t > magnitude {
		panic("kernel: a bound of 32 bits")
	}
	n := len(xs) / sumLen * sumLen
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
