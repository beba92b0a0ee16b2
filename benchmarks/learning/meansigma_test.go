package main

// This file tests the quantiser of mean and sigma.

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/tensor"
)

// Shares and errors of the quantiser that are known of its original (top 64 of
// chunks of 4,096, whole tensor quantised together).
func TestMeanSigmaCodes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		freedom           int // of Student's t, 0 for normal
		least, most, tiny float64
	}{
		"normal":    {0, 0.010, 0.015, 0.01},
		"student 3": {3, 0.2, 0.5, 1},
	} {
		var kept []float64
		for range 64 {
			vals := make([]float32, tensor.ChunkLen)
			for i := range vals {
				sum := 0.0
				for range c.freedom {
					x := r.NormFloat64()
					sum += x * x
				}
				vals[i] = float32(r.NormFloat64())
				if c.freedom > 0 {
					vals[i] /= float32(math.Sqrt(sum / float64(c.freedom)))
				}
			}
			for _, at := range largest(vals, 64) {
				kept = append(kept, float64(vals[at]))
			}
		}
		codes, lookup := meanSigmaCodes(kept)
		lost, all, middle := 0.0, 0.0, 0.0
		for i, v := range kept {
			d := v - lookup[codes[i]]
			lost, all = lost+d*d, all+v*v
			if codes[i] == 2 {
				middle += 1 / float64(len(kept))
			}
		}
		if got := lost / all; got < c.least || got > c.most || middle > c.tiny {
			t.Errorf("%s: relative error %.4f, want %v to %v; %.3f in the middle", name, got, c.least, c.most, middle)
		}
	}
	if codes, lookup := meanSigmaCodes([]float64{3, 3, 3}); lookup[codes[0]] != 3 {
		t.Errorf("equal values decode to %v", lookup)
	}
	meanSigmaCodes(nil)
}

func TestLargest(t *testing.T) {
	if got := largest([]float32{1, -3, 2, 3, -1}, 3); !slices.Equal(got, []uint16{1, 2, 3}) {
		t.Error(got)
	}
	if got := largest([]float32{0, 1, -1, 1}, 2); !slices.Equal(got, []uint16{1, 2}) {
		t.Error("ties:", got)
	}
}
