package aggregation

// This file holds the adaptive optimizers of Reddi et al. 2021 (arXiv:2003.00295,
// algorithm 2).

import "math"

const (
	rootBits  = 8       // digits of a root below the unit of values
	rootBound = 1 << 52 // of a root: 2^44 in units of 2^−Unit
	stepBound = 0x1p62  // of a step's magnitude, where it saturates
)

// adaptive: m ← β1·m + (1−β1)·g, v as variance says, step = rate·m/(√v + τ).
//
// Plane 0 holds m in units of 2^−Unit, an integer: both products are exact and
// their sum is rounded once, so that |m| <= 2^44 like |g|. Plane 1 holds √v in
// units of 2^−(Unit+8), rounded to an integer of at most 2^52, where it
// saturates: float64 holds it, m and g·2^8 exactly. v itself and the step go
// through correctly rounded operations in a fixed order. |m| <= 2^44 and
// τ >= 2^−Unit keep the quotient below 2^52; a step beyond 2^62 saturates there.
type adaptive struct {
	rate     float64 // of a quotient in units of 2^−Unit
	beta1    int64   // Q16
	beta2    float64
	floor    float64 // τ in units of 2^−(Unit+8)
	variance func(v, square, beta2 float64) float64
}

func newAdaptive(c Config) adaptive {
	return adaptive{
		rate:  math.Ldexp(float64(c.Rate), c.Unit+rootBits-q16Bits),
		beta1: int64(c.Momentum), beta2: float64(c.Second) / One,
		floor:    math.Ldexp(1, c.FloorExp+c.Unit+rootBits),
		variance: varianceOf(c.Optimizer),
	}
}

func varianceOf(optimizer string) func(v, square, beta2 float64) float64 {
	switch optimizer {
	case FedAdam:
		return adam
	case FedYogi:
		return yogi
	}
	return adagrad
}

// adam: v ← β2·v + (1−β2)·g².
func adam(v, square, beta2 float64) float64 {
	return float64(beta2*v) + float64((1-beta2)*square)
}

// yogi: v ← v − (1−β2)·g²·sign(v − g²).
func yogi(v, square, beta2 float64) float64 {
	change := float64((1 - beta2) * square)
	switch {
	case v > square:
		return v - change
	case v < square:
		return v + change
	}
	return v
}

// adagrad: v ← v + g².
func adagrad(v, square, _ float64) float64 { return v + square }

func (adaptive) Planes() []Range { return []Range{{-1 << valueBits, 1 << valueBits}, {0, rootBound}} }

func (o adaptive) Advance(vals []int64, planes [][]int64) {
	for i, g := range vals {
		m := shiftSigned(o.beta1*planes[0][i]+(One-o.beta1)*g, q16Bits)
		root, fine := float64(planes[1][i]), float64(g<<rootBits)
		v := o.variance(float64(root*root), float64(fine*fine), o.beta2)
		root = min(math.RoundToEven(math.Sqrt(v)), rootBound)
		planes[0][i], planes[1][i] = m, int64(root)
		vals[i] = o.step(m, root)
	}
}

// step returns rate·m/(root + τ), rounded, in units of 2^−Unit.
func (o adaptive) step(m int64, root float64) int64 {
	s := float64(o.rate * float64(float64(m)/float64(root+o.floor)))
	return int64(math.RoundToEven(min(max(s, -stepBound), stepBound)))
}
