package model

// This file draws the first parameters, the same bits on every machine.

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"

	"lode/tensor"
)

// Init draws all parameters of m from seed and writes them to dst.
//
// A norm is all ones, a bias all zeros. A matrix or filter with fan-in n is uniform in (−a, a) with
// a = √(6/(5n)), that is a variance of 2/(5n) (Nguyen and Salazar,
// arXiv:1910.05895); n is the product of all dimensions but the first, also for an
// embedding. Those of a [Linear] are smaller by 1/√Sums, as in GPT-2.
//
// Tensor by tensor, a ChaCha8 keyed with SHA-256(seed ‖ name) gives 64 bits for
// each two values: the top 24 bits of the low half, then of the high half. Of
// such an integer u the value is float32(2u+1−2²⁴) · float32(a/2²⁴): one exact
// conversion and one rounded product, so no platform can differ. Those of a [Custom]
// have its spreads for a, and its values are added, rounded once more.
func Init(m Model, seed [32]byte, dst tensor.Writer) error {
	t, err := TraceOf(m)
	if err != nil {
		return err
	}
	l, err := t.Layout()
	if err != nil {
		return err
	}
	buf := make([]float32, tensor.ChunkLen)
	for i, w := range t.Weights {
		draw := w.drawer(seed)
		for c := range l.ChunksOf(i) {
			draw(buf[:c.Len])
			if err := dst.WriteChunk(c, buf[:c.Len]); err != nil {
				return fmt.Errorf("init %s: %w", w.Name, err)
			}
		}
	}
	return nil
}

// drawer returns what fills the chunks of one tensor in order.
func (w Weight) drawer(seed [32]byte) func([]float32) {
	switch w.start {
	case zeros:
		return func(dst []float32) { clear(dst) }
	case ones:
		return func(dst []float32) {
			for i := range dst {
				dst[i] = 1
			}
		}
	}
	if w.start == around && w.spread == 0 {
		return func(dst []float32) {
			for i := range dst {
				dst[i] = w.value
			}
		}
	}
	gen := rand.NewChaCha8(sha256.Sum256(append(seed[:], w.Name...)))
	unit := float32(w.span() / (1 << 24))
	// ChunkLen is even, so a pair never straddles two chunks.
	return func(dst []float32) {
		var bits uint64
		for i := range dst {
			if i%2 == 0 {
				bits = gen.Uint64()
			}
			u := int32(uint32(bits) >> 8)
			dst[i] = float32(float32(2*u+1-1<<24) * unit)
			if w.start == around {
				dst[i] += w.value
			}
			bits >>= 32
		}
	}
}

// span returns a, the largest magnitude of a matrix. Division and square root
// are correctly rounded everywhere.
func (w Weight) span() float64 {
	if w.start == around {
		return float64(w.spread)
	}
	split := 5 * float64(product(w.Shape[1:]))
	return math.Sqrt(6 / (split * float64(max(1, w.sums))))
}
