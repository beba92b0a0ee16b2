package kernel

// This file holds the rotary tables.

import "math"

// Rotary returns cosines and sines of p·theta^(−i/half) for the positions from first on,
// each [count, half], as [Rotate] takes them.
func Rotary(theta float64, half, first, count int) (cos, sin []float32) {
	cos, sin = make([]float32, count*half), make([]float32, count*half)
	for p := range count {
		for i := range half {
			angle := float64(first+p) * math.Pow(theta, -float64(i)/float64(half))
			s, c := math.Sincos(angle)
			cos[p*half+i], sin[p*half+i] = float32(c), float32(s)
		}
	}
	return cos, sin
}
