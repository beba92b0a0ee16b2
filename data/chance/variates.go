package chance

// This file holds real variates. Every operation is one that IEEE 754 rounds
// correctly, and each product and quotient that is added to something is converted
// explicitly: a division by two is a product too.

import "math"

// Uniform returns a number above 0 and at most 1, a multiple of 2⁻⁵³.
func (d Draws) Uniform() float64 { return float64(float64(d.src.Uint64()>>11+1) * 0x1p-53) }

// normal returns a standard normal variate (the polar method of Marsaglia and Bray,
// 1964).
func (d Draws) normal() float64 {
	for {
		u, v := float64(2*d.Uniform())-1, float64(2*d.Uniform())-1
		s := float64(u*u) + float64(v*v)
		if s > 0 && s < 1 {
			return u * math.Sqrt(-2*Log(s)/s)
		}
	}
}

// LogGamma returns the logarithm of a variate of the gamma distribution of that
// shape, above 0, and scale 1. Variates of small shapes are often too small for a
// float64 themselves.
// (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000,
// sections 4 and 6.)
func (d Draws) LogGamma(shape float64) float64 {
	if shape < 1 {
		return d.LogGamma(shape+1) + Log(d.Uniform())/shape
	}
	mid := shape - 1.0/3
	width := 1 / (3 * math.Sqrt(mid))
	for {
		x := d.normal()
		root := 1 + float64(width*x)
		if root <= 0 {
			continue
		}
		v := float64(float64(root*root) * root)
		if Log(d.Uniform()) < float64(float64(x*x)/2)+float64(mid*(1-v+Log(v))) {
			return Log(mid) + Log(v)
		}
	}
}

// ln 2 in two parts: the first has 32 digits, so that multiples by exponents are exact.
const (
	ln2High = 0x1.62e42feep-1
	ln2Low  = 0x1.a39ef35793c76p-33
)

// Log returns the natural logarithm of x, positive and finite, within 4e-16 of itself
// or of 1, whichever is larger.
func Log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	// ln m = 2·artanh(s) = 2·s·Σ s^2k/(2k+1), |s| < 0.172: what is left out is below 1e-17.
	s := (m - 1) / (m + 1)
	square, sum := s*s, 0.0
	for k := 10; k >= 0; k-- {
		sum = float64(sum*square) + 1/float64(2*k+1)
	}
	high := float64(float64(e) * ln2High)
	return high + (float64(2*s*sum) + float64(float64(e)*ln2Low))
}

// Exp returns e to the power of x, below 709, within 4e-16 of itself; below −745 it
// is 0.
func Exp(x float64) float64 {
	if x < -746 {
		return 0
	}
	k := math.RoundToEven(x / math.Ln2)
	r := (x - float64(k*ln2High)) - float64(k*ln2Low) // at most 0.347 in magnitude
	sum := 1.0
	for n := 14; n >= 1; n-- {
		sum = 1 + float64(sum*r)/float64(n)
	}
	return math.Ldexp(sum, int(k))
}
