package economy

// This file holds the number format between amounts: unsigned, 32 fraction bits.

import (
	"math"
	"math/bits"

	"lode/yuma"
)

// one is the Q32 that stands for 1.
const one yuma.Q32 = 1 << 32

// fixed is a number in units of 2⁻³²: hi·2⁶⁴ + lo of them. Any uint64 amount times
// a fraction fits, and so does the sum of 2³² such.
type fixed struct{ hi, lo uint64 }

func whole(amount uint64) fixed { return fixed{amount >> 32, amount << 32} }

// floor returns the whole part, the largest uint64 if it does not fit.
func (x fixed) floor() uint64 {
	if x.hi>>32 != 0 {
		return math.MaxUint64
	}
	return x.hi<<32 | x.lo>>32
}

func (x fixed) plus(y fixed) fixed {
	lo, carry := bits.Add64(x.lo, y.lo, 0)
	hi, _ := bits.Add64(x.hi, y.hi, carry)
	return fixed{hi, lo}
}

// minus returns x − y, 0 if y is larger.
func (x fixed) minus(y fixed) fixed {
	lo, borrow := bits.Sub64(x.lo, y.lo, 0)
	hi, borrow := bits.Sub64(x.hi, y.hi, borrow)
	if borrow != 0 {
		return fixed{}
	}
	return fixed{hi, lo}
}

// times returns floor(x·q) for 0 ≤ q ≤ 1.
func (x fixed) times(q yuma.Q32) fixed {
	top, mid := bits.Mul64(x.hi, uint64(q))
	high, low := bits.Mul64(x.lo, uint64(q))
	mid, carry := bits.Add64(mid, high, 0)
	top += carry
	return fixed{top<<32 | mid>>32, mid<<32 | low>>32}
}

// partOf returns floor(x/total) for x ≤ total, and 0 if total is 0.
func (x fixed) partOf(total fixed) (q yuma.Q32) {
	switch {
	case total == fixed{}:
		return 0
	case x == total:
		return one
	}
	for range 32 {
		x.hi, x.lo = x.hi<<1|x.lo>>63, x.lo<<1
		q <<= 1
		if rest := x.minus(total); rest != (fixed{}) || x == total {
			x = rest
			q |= 1
		}
	}
	return q
}

// ratio returns floor(a/b) as a fraction, for a ≤ b and b > 0.
func ratio(a, b uint64) yuma.Q32 {
	if a == b {
		return one
	}
	q, _ := bits.Div64(a>>32, a<<32, b)
	return yuma.Q32(q)
}

// product returns floor(a·b) of two fractions in [0, 1].
func product(a, b yuma.Q32) yuma.Q32 {
	return yuma.Q32(a.Of(uint64(b)))
}
