package model

// This file draws the first parameters, the same bits on every machine.

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"lode/tensor"
)

// Init draws all parameters from seed and writes them to dst.
//
// A norm is all ones. A matrix with fan-in n is uniform in (−a, a) with
// a = √(6/(5n)), that is a variance of 2/(5n) (Nguyen and Salazar,
// arXiv:1910.05895); the embedding counts as fan-in Dim. The two projections
// that write to the residual stream, o_proj and down_proj, are smaller by
// 1/√(2·Layers), as in GPT-2.
//
// Tensor by tensor, a ChaCha8 keyed with SHA-256(seed ‖ name) gives 64 bits for
// each two values: the top 24 bits of the low half, then of the high half. Of
// such an integer u the value is float32(2u+1−2²⁴) · float32(a/2²⁴): one exact
// conversion and one rounded product, so no platform can differ.
func (m Llama) Init(seed [32]byte, dst tensor.Writer) error {
	l, err := m.Layout()
	if err != nil {
		return err
	}
	buf := make([]float32, tensor.ChunkLen)
	for t := range l.NumTensors() {
		draw := m.drawer(seed, l.Spec(t))
		for c := range l.ChunksOf(t) {
			draw(buf[:c.Len])
			if err := dst.WriteChunk(c, buf[:c.Len]); err != nil {
				return fmt.Errorf("init %s: %w", l.Spec(t).Name, err)
			}
		}
	}
	return nil
}

// drawer returns what fills the chunks of one tensor in order.
func (m Llama) drawer(seed [32]byte, s tensor.Spec) func([]float32) {
	if len(s.Shape) == 1 {
		return func(dst []float32) {
			for i := range dst {
				dst[i] = 1
			}
		}
	}
	gen := rand.NewChaCha8(sha256.Sum256(append(seed[:], s.Name...)))
	unit := float32(m.span(s) / (1 << 24))
	// ChunkLen is even, so a pair never straddles two chunks.
	return func(dst []float32) {
		var bits uint64
		for i := range dst {
			if i%2 == 0 {
				bits = gen.Uint64()
			}
			u := int32(uint32(bits) >> 8)
			dst[i] = float32(float32(2*u+1-1<<24) * unit)
			bits >>= 32
		}
	}
}

// span returns a, the largest magnitude of a matrix. Division and square root
// are correctly rounded everywhere.
func (m Llama) span(s tensor.Spec) float64 {
	split := 5 * float64(s.Shape[1])
	if strings.HasSuffix(s.Name, ".o_proj.weight") || strings.HasSuffix(s.Name, ".down_proj.weight") {
		split *= 2 * float64(m.Layers)
	}
	return math.Sqrt(6 / split)
}
