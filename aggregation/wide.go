package aggregation

// This file holds wide integers: sums of products of values, exact.

import (
	"math"
	"math/bits"

	"lode/gradient"
)

// wide is a signed integer of 192 bits, in two's complement. A product of two
// values has at most 88 bits and a layout at most 2^40 places, so sums of
// products stay below 2^128 in magnitude, of which 128 bits have no sign.
type wide struct{ hi, mid, lo uint64 }

// plus returns w + x.
func (w wide) plus(x wide) wide {
	var c uint64
	w.lo, c = bits.Add64(w.lo, x.lo, 0)
	w.mid, c = bits.Add64(w.mid, x.mid, c)
	w.hi, _ = bits.Add64(w.hi, x.hi, c)
	return w
}

// product returns x·y.
func product(x, y int64) wide {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	if (x < 0) != (y < 0) {
		return wide{0, hi, lo}.negated()
	}
	return wide{0, hi, lo}
}

func (w wide) negated() wide {
	return wide{^w.hi, ^w.mid, ^w.lo}.plus(wide{0, 0, 1})
}

// norm returns w, which is not negative and below 2^128, as a squared norm.
func (w wide) norm() gradient.Norm { return gradient.Norm{Hi: w.mid, Lo: w.lo} }

// float returns w, below 2^128 in magnitude, rounded to nearest, ties to even.
func (w wide) float() float64 {
	if w.hi>>63 == 1 {
		return -w.negated().float()
	}
	if w.mid == 0 {
		return float64(w.lo)
	}
	// The 64 bits from the top, the last of them sticky, round to 53 alike.
	n := uint(bits.Len64(w.mid))
	top := w.mid<<(64-n) | w.lo>>n
	if w.lo<<(64-n) != 0 {
		top |= 1
	}
	return math.Ldexp(float64(top), int(n))
}
