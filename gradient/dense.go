package gradient

// This file holds the dense codecs: every value of a chunk.

import (
	"encoding/binary"
	"fmt"
	"math"

	"lode/gradient/kernel"
)

const maxDense = 127

// dense8 holds an exponent and a signed byte for every value.
type dense8 struct{ p Params }

func (dense8) size(n int) int { return 1 + n }
func (dense8) kept(n int) int { return n }

// encode takes the lowest exponent under which the largest magnitude rounds to
// at most 127.
func (c dense8) encode(b []byte, vals []float32, _ *scratch) (bad int) {
	top := uint32(0)
	for i, v := range vals {
		key := math.Float32bits(v) & magnitudeMask
		if key >= notFinite {
			return i
		}
		top = max(top, key)
	}
	exp, inverse := int(c.p.EMin), 1.0
	for ; ; exp++ {
		inverse = math.Ldexp(1, -exp)
		if exp == int(c.p.EMax) || math.RoundToEven(float64(float64(math.Float32frombits(top))*inverse)) <= maxDense {
			break
		}
	}
	any := byte(0)
	for i, v := range vals {
		m := math.RoundToEven(float64(float64(v) * inverse))
		b[1+i] = byte(int8(min(max(m, -maxDense), maxDense)))
		any |= b[1+i]
	}
	b[0] = byte(int8(exp))
	if any == 0 {
		b[0] = 0
	}
	return -1
}

func (c dense8) check(b []byte, _ int) error {
	top := 0
	for _, m := range b[1:] {
		v := int(int8(m))
		if v == -128 {
			return fmt.Errorf("mantissa -128: %w", ErrMalformed)
		}
		top = max(top, v, -v)
	}
	exp := int8(b[0])
	switch {
	case top == 0 && exp != 0:
		return fmt.Errorf("chunk of zeros with exponent %d: %w", exp, ErrNotCanonical)
	case top == 0:
		return nil
	case exp < c.p.EMin || exp > c.p.EMax:
		return fmt.Errorf("exponent %d, want %d to %d: %w", exp, c.p.EMin, c.p.EMax, ErrMalformed)
	case top <= maxDense/2 && exp != c.p.EMin:
		return fmt.Errorf("largest mantissa %d with exponent %d: %w", top, exp, ErrNotCanonical)
	}
	return nil
}

// shift returns the exponent of a chunk above EMin, for any byte.
func (c dense8) shift(b []byte) int { return max(int(int8(b[0]))-int(c.p.EMin), 0) }

func (c dense8) entries(dst []Entry, b []byte, _ int) []Entry {
	shift := c.shift(b)
	for i, m := range b[1:] {
		if m != 0 {
			dst = append(dst, Entry{uint16(i), int64(int8(m)) << shift})
		}
	}
	return dst
}

func (c dense8) add(dst []int64, b []byte, r Rounding) { kernel.AddBytes(dst, b[1:], c.scale(b, r)) }

func (c dense8) set(dst []int64, b []byte, r Rounding) { kernel.SetBytes(dst, b[1:], c.scale(b, r)) }

// scale returns what mantissas are multiplied by.
func (c dense8) scale(b []byte, r Rounding) float64 {
	return float64(r.Scale() * float64(uint64(1)<<c.shift(b)))
}

func (c dense8) subtract(dst []float32, b []byte, scale float64) {
	scale = float64(scale * float64(uint64(1)<<c.shift(b)))
	for i, m := range b[1:] {
		dst[i] -= float32(float64(int8(m)) * scale)
	}
}

func (dense8) columns(n int) []columnSpec {
	return []columnSpec{exponents(), exactly("mantissas", n)}
}

func (dense8) spread(cols [][]byte, b []byte, _ int) {
	cols[0], cols[1] = append(cols[0], b[0]), append(cols[1], b[1:]...)
}

func (dense8) gather(b []byte, cols [][]byte, n int) error {
	b[0] = takeBytes(&cols[0], 1)[0]
	copy(b[1:], takeBytes(&cols[1], n))
	return nil
}

// float holds every value as a float32 or, with 16 bits, its upper half
// (bfloat16), rounded to a multiple of 2^EMin and bounded as all values are.
// Columns are planes of bytes, lowest first.
type float struct{ p Params }

func (c float) width() int     { return c.p.Bits / 8 }
func (c float) size(n int) int { return c.width() * n }
func (float) kept(n int) int   { return n }

// digits is the number of bits of a significand.
func (c float) digits() int {
	if c.p.Bits == 16 {
		return 8
	}
	return 24
}

// limit is the largest magnitude, in units of 2^EMin.
func (c float) limit() int64 {
	d := min(c.digits(), c.span())
	return (1<<d - 1) << (c.span() - d)
}

// span is the number of bits of a value in units of 2^EMin.
func (c float) span() int { return int(c.p.EMax) - int(c.p.EMin) + levelBits }

func (c float) encode(b []byte, vals []float32, _ *scratch) (bad int) {
	unit, inverse := math.Ldexp(1, int(c.p.EMin)), math.Ldexp(1, -int(c.p.EMin))
	limit := c.limit()
	for i, v := range vals {
		if math.Float32bits(v)&magnitudeMask >= notFinite {
			return i
		}
		x := math.Abs(float64(float64(v) * inverse))
		_, exp := math.Frexp(x)
		step := math.Ldexp(1, max(exp-c.digits(), 0)) // of the last digit kept
		m := min(int64(math.Min(float64(math.RoundToEven(x/step)*step), 1<<62)), limit)
		bits := math.Float32bits(float32(float64(float64(m) * unit)))
		if math.Signbit(float64(v)) && m != 0 {
			bits |= signBit
		}
		c.put(b[i*c.width():], bits)
	}
	return -1
}

func (c float) put(b []byte, bits uint32) {
	if c.p.Bits == 16 {
		binary.LittleEndian.PutUint16(b, uint16(bits>>16))
		return
	}
	binary.LittleEndian.PutUint32(b, bits)
}

func (c float) at(b []byte, i int) uint32 {
	if c.p.Bits == 16 {
		return uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16
	}
	return binary.LittleEndian.Uint32(b[4*i:])
}

// value returns value i in units of 2^EMin; exact says whether it is a multiple
// of that, within bounds, and not a negative zero.
func (c float) value(b []byte, i int) (v int64, exact bool) {
	bits := c.at(b, i)
	if bits&magnitudeMask >= notFinite || bits == signBit {
		return 0, false
	}
	x := math.Ldexp(float64(math.Float32frombits(bits)), -int(c.p.EMin))
	if limit := float64(c.limit()); x > limit || x < -limit || x != math.Trunc(x) {
		return 0, false
	}
	return int64(x), true
}

func (c float) check(b []byte, n int) error {
	for i := range n {
		if _, exact := c.value(b, i); !exact {
			return fmt.Errorf("value %d is %v, not a multiple of 2^%d below 2^%d: %w",
				i, math.Float32frombits(c.at(b, i)), c.p.EMin, int(c.p.EMax)+levelBits, ErrMalformed)
		}
	}
	return nil
}

func (c float) entries(dst []Entry, b []byte, n int) []Entry {
	for i := range n {
		if v, _ := c.value(b, i); v != 0 {
			dst = append(dst, Entry{uint16(i), v})
		}
	}
	return dst
}

func (c float) add(dst []int64, b []byte, r Rounding) {
	for i := range dst {
		dst[i] += r.Round(c.integer(c.at(b, i)))
	}
}

// integer returns the value of float32 bits that passed check, in units of
// 2^EMin: a 24-bit significand, shifted without loss.
func (c float) integer(bits uint32) int64 {
	exp := int(bits>>23) & 0xff
	if exp == 0 {
		return 0 // no subnormal is a multiple of 2^EMin
	}
	v := int64(bits&(1<<23-1) | 1<<23)
	if shift := exp - 150 - int(c.p.EMin); shift >= 0 {
		v <<= shift
	} else {
		v >>= -shift
	}
	if bits&signBit != 0 {
		return -v
	}
	return v
}

func (c float) subtract(dst []float32, b []byte, scale float64) {
	for i := range dst {
		v, _ := c.value(b, i)
		dst[i] -= float32(float64(v) * scale)
	}
}

func (c float) columns(n int) []columnSpec {
	specs := make([]columnSpec, c.width())
	for i := range specs {
		specs[i] = exactly(fmt.Sprintf("byte %d", i), n)
	}
	return specs
}

func (c float) spread(cols [][]byte, b []byte, _ int) {
	for i, v := range b {
		cols[i%c.width()] = append(cols[i%c.width()], v)
	}
}

func (c float) gather(b []byte, cols [][]byte, n int) error {
	for plane := range cols {
		for i, v := range takeBytes(&cols[plane], n) {
			b[i*c.width()+plane] = v
		}
	}
	return nil
}
