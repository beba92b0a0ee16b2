package cpu

// This file holds the rotary tables.

import "math"

// rotary returns cosines and sines of p·theta^(−2i/d) for the positions from
// first on, d being twice half: each [count, half].
func rotary(theta float64, half, first, count int) (cos, sin []float32) {
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

// tables are the rotary tables of one graph, [steps, half].
type tables struct{ cos, sin, neg []float32 } // neg is −sin

func newTables(theta float64, half, steps int) (t tables) {
	t.cos, t.sin = rotary(theta, half, 0, steps)
	t.neg = make([]float32, len(t.sin))
	for i, v := range t.sin {
		t.neg[i] = -v
	}
	return t
}
