package gradient

// This file holds the sign codec: a bit for every value and one magnitude a
// chunk, the mean of all magnitudes (EF-signSGD, arXiv:1901.09847).

import (
	"fmt"
	"math"
	"math/bits"
)

// sign holds exponent, mantissa and a bitmap, 1 below zero, lowest bit first. A
// zero counts as above zero.
type sign struct{ p Params }

func (sign) size(n int) int { return 2 + (n+7)/8 }
func (sign) kept(n int) int { return n }

func (c sign) encode(b []byte, vals []float32, _ *scratch) (bad int) {
	clear(b)
	sum := 0.0
	for i, v := range vals {
		if math.Float32bits(v)&magnitudeMask >= notFinite {
			return i
		}
		sum += math.Abs(float64(v))
		b[2+i/8] |= byte(math.Float32bits(v)>>31) << (i % 8)
	}
	exp, m := c.scale(sum / float64(len(vals)))
	if m == 0 {
		clear(b)
		return -1
	}
	b[0], b[1] = byte(int8(exp)), m
	return -1
}

// scale returns mean as mantissa and exponent: eight bits, fewer at EMin, the
// largest there is above EMax.
func (c sign) scale(mean float64) (exp int, m byte) {
	_, exp = math.Frexp(mean)
	exp = max(exp-levelBits, int(c.p.EMin))
	v := math.RoundToEven(math.Ldexp(mean, -exp))
	if v == 1<<levelBits {
		v, exp = 1<<(levelBits-1), exp+1
	}
	if exp > int(c.p.EMax) {
		return int(c.p.EMax), 1<<levelBits - 1
	}
	return exp, byte(v)
}

func (c sign) check(b []byte, n int) error {
	exp, m := int8(b[0]), b[1]
	negative := 0
	for _, v := range b[2:] {
		negative += bits.OnesCount8(v)
	}
	switch {
	case n%8 != 0 && b[len(b)-1]>>(n%8) != 0:
		return fmt.Errorf("unused bits are set: %w", ErrNotCanonical)
	case m == 0 && (exp != 0 || negative != 0):
		return fmt.Errorf("chunk of zeros with exponent %d, %d signs: %w", exp, negative, ErrNotCanonical)
	case m == 0:
		return nil
	case exp < c.p.EMin || exp > c.p.EMax:
		return fmt.Errorf("exponent %d, want %d to %d: %w", exp, c.p.EMin, c.p.EMax, ErrMalformed)
	case m < 1<<(levelBits-1) && exp != c.p.EMin:
		return fmt.Errorf("mantissa %d with exponent %d: %w", m, exp, ErrNotCanonical)
	}
	return nil
}

// magnitude returns the chunk's one magnitude in units of 2^EMin.
func (c sign) magnitude(b []byte) int64 {
	if b[1] == 0 {
		return 0
	}
	return int64(b[1]) << (int(int8(b[0])) - int(c.p.EMin))
}

func (c sign) entries(dst []Entry, b []byte, n int) []Entry {
	m := c.magnitude(b)
	if m == 0 {
		return dst
	}
	for i := range n {
		v := m
		if b[2+i/8]>>(i%8)&1 == 1 {
			v = -m
		}
		dst = append(dst, Entry{uint16(i), v})
	}
	return dst
}

func (c sign) add(dst []int64, b []byte, r Rounding) {
	m := r.Round(c.magnitude(b))
	values := [2]int64{m, -m}
	for i := range dst {
		dst[i] += values[b[2+i/8]>>(i%8)&1]
	}
}

func (c sign) subtract(dst []float32, b []byte, scale float64) {
	m := float32(float64(c.magnitude(b)) * scale)
	for i := range dst {
		if b[2+i/8]>>(i%8)&1 == 1 {
			dst[i] += m
		} else {
			dst[i] -= m
		}
	}
}

func (c sign) columns(n int) []columnSpec {
	return []columnSpec{exponents(), exactly("magnitudes", 1), exactly("signs", (n+7)/8)}
}

func (sign) spread(cols [][]byte, b []byte, _ int) {
	cols[0], cols[1], cols[2] = append(cols[0], b[0]), append(cols[1], b[1]), append(cols[2], b[2:]...)
}

func (sign) gather(b []byte, cols [][]byte, _ int) error {
	b[0], b[1] = takeBytes(&cols[0], 1)[0], takeBytes(&cols[1], 1)[0]
	copy(b[2:], takeBytes(&cols[2], len(b)-2))
	return nil
}
