package gradient

// This file holds twice and half of a norm.

import "math"

// Double returns twice the norm (not squared), or the largest there is.
func (n Norm) Double() Norm {
	if n.Hi>>62 != 0 {
		return Norm{math.MaxUint64, math.MaxUint64}
	}
	return Norm{n.Hi<<2 | n.Lo>>62, n.Lo << 2}
}

// Half returns half the norm (not squared), rounded down in its square.
func (n Norm) Half() Norm { return Norm{n.Hi >> 2, n.Lo>>2 | n.Hi<<62} }
