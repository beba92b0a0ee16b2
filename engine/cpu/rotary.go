package cpu

// This file holds the rotary tables of a graph.

import "lode/engine/kernel"

// tables are the rotary tables of one graph, [steps, half].
type tables struct{ cos, sin, neg []float32 } // neg is −sin

func newTables(theta float64, half, steps int) (t tables) {
	t.cos, t.sin = kernel.Rotary(theta, half, 0, steps)
	t.neg = make([]float32, len(t.sin))
	for i, v := range t.sin {
		t.neg[i] = -v
	}
	return t
}
