package cpu

// This file holds the activation stage.

import (
	"math"

	"lode/engine/model"
)

// activateValues is how many values a member of the team takes at least.
const activateValues = 1 << 12

// Activate implements model.Builder.
func (b *builder) Activate(of model.Value, f model.Activation) model.Value {
	x, y := b.values[of], b.next()
	forth, back := relu, reluBack
	if f == model.GELU {
		forth, back = gelu, geluBack
	}
	s := stage{name: string(f)}
	s.forward = func(v [][]float32) {
		b.team.split(len(y.data), activateValues, func(_, lo, hi int) { forth(y.data[lo:hi], v[0][lo:hi]) })
	}
	s.differentiate(x.gradient())
	s.backward = b.setting(of, func(v [][]float32, dy []float32) {
		if x.grad != nil {
			b.team.split(len(dy), activateValues, func(_, lo, hi int) { back(x.grad[lo:hi], dy[lo:hi], v[0][lo:hi]) })
		}
	})
	return b.add(y, s, x.node)
}

// relu sets y = max(x, 0) and hands NaN on.
func relu(y, x []float32) {
	for i, v := range x {
		if v <= 0 {
			v = 0
		}
		y[i] = v
	}
}

// reluBack sets dx = dy where x is above 0, else 0.
func reluBack(dx, dy, x []float32) {
	for i, v := range x {
		d := dy[i]
		if v <= 0 {
			d = 0
		}
		dx[i] = d
	}
}

// gelu sets y = x·Φ(x), Φ being the distribution function of the normal
// distribution.
func gelu(y, x []float32) {
	for i, v := range x {
		y[i] = v * float32(normal(float64(v)))
	}
}

// geluBack sets dx = dy·(Φ(x) + x·Φ′(x)).
func geluBack(dx, dy, x []float32) {
	for i, v := range x {
		a := float64(v)
		density := math.Exp(-a*a/2) / math.Sqrt(2*math.Pi)
		dx[i] = dy[i] * float32(normal(a)+a*density)
	}
}

func normal(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
