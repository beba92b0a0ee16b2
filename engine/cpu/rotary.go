package cpu

// This file holds the rotary tables.

import (
	"math"

	"lode/engine/model"
)

// rotary returns cosines and sines of p·theta^(−2i/d) for the positions from
// first on, d being the head dim: each [count, d/2].
func rotary(m model.Llama, first, count int) (cos, sin []float32) {
	half := m.HeadDim() / 2
	cos, sin = make([]float32, count*half), make([]float32, count*half)
	for p := range count {
		for i := range half {
			angle := float64(first+p) * math.Pow(m.RopeTheta, -float64(i)/float64(half))
			s, c := math.Sincos(angle)
			cos[p*half+i], sin[p*half+i] = float32(c), float32(s)
		}
	}
	return cos, sin
}
