package main

import (
	"math"
	"os"
	"testing"
)

// What a model has to beat to have learnt more than pairs: a bigram model of the
// training part with add-one smoothing, measured on the held-out 5 %.
func TestBigramOfTheText(t *testing.T) {
	b, err := os.ReadFile(text(t))
	if err != nil {
		t.Fatal(err)
	}
	cut := len(b) * 95 / 100
	var pairs [256][256]float64
	var firsts [256]float64
	for i := 1; i < cut; i++ {
		pairs[b[i-1]][b[i]]++
		firsts[b[i-1]]++
	}
	loss := 0.0
	for i := cut + 1; i < len(b); i++ {
		loss -= math.Log((pairs[b[i-1]][b[i]] + 1) / (firsts[b[i-1]] + 256))
	}
	loss /= float64(len(b) - cut - 1)
	t.Logf("bigram: %.4f nats per byte", loss)
	if loss < 2.3 || loss > 2.6 {
		t.Errorf("a bigram model has %.4f nats per byte, about 2.45 is known of this text", loss)
	}
}
