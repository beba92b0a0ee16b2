package aggregation

// This file holds the merged step and its plain form.

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"lode/gradient"
	"lode/tensor"
)

const (
	stepHeader = "LGS\x01" // name and number of the format
	narrowBits = 15        // up to which an integer takes 2 bytes, else 4
)

// Step is what one merge does to a model: for each parameter an integer q and
// for each chunk an exponent X, |q| < 2^StepBits, to be applied as
// θ ← θ − q·2^X. It is immutable and may be shared by goroutines; it is a
// [gradient.Vector].
type Step struct {
	layout tensor.Layout
	bits   int
	plain  []byte
	starts []int // per chunk of the layout, where its bytes lie; one more for the end
	firsts []int // per tensor, number of its first chunk
}

// Layout returns the layout of the model the step is for.
func (s *Step) Layout() tensor.Layout { return s.layout }

// Plain returns the canonical form, whose digest stands for the step. The
// caller must not change it.
func (s *Step) Plain() []byte { return s.plain }

// NumNonzero returns how many parameters the step moves.
func (s *Step) NumNonzero() int {
	n := 0
	for c := range s.layout.Chunks() {
		n += numSet(s.chunk(c)[1 : 1+bitmapLen(c.Len)])
	}
	return n
}

// Bits returns the plain form of chunk c, an exponent, a bit for each value and an integer for
// each bit that is set, and the bytes of an integer. The caller must not change it.
func (s *Step) Bits(c tensor.Chunk) (plain []byte, width int) { return s.chunk(c), widthOf(s.bits) }

// chunk returns the bytes of c.
func (s *Step) chunk(c tensor.Chunk) []byte {
	i := s.firsts[c.Tensor] + c.Index
	return s.plain[s.starts[i]:s.starts[i+1]]
}

// Entries implements [gradient.Vector].
func (s *Step) Entries(dst []gradient.Entry, c tensor.Chunk) ([]gradient.Entry, int) {
	return chunkEntries(dst, s.chunk(c), c.Len, s.bits)
}

// chunkEntries appends what the bytes of a chunk of n values say, and returns their
// exponent.
func chunkEntries(dst []gradient.Entry, b []byte, n, stepBits int) ([]gradient.Entry, int) {
	m := bitmapLen(n)
	width, values := widthOf(stepBits), b[1+m:]
	for i, set := range b[1 : 1+m] {
		for ; set != 0; set &= set - 1 {
			pos := 8*i + bits.TrailingZeros8(set)
			dst = append(dst, gradient.Entry{Pos: uint16(pos), Value: int64(integerAt(values, width))})
			values = values[width:]
		}
	}
	return dst, int(int8(b[0]))
}

// SubtractFrom applies the step to dst, the values of chunk c: one float32
// subtraction per parameter that moves. The product q·2^X is exact, and with
// |X| <= 64 neither it nor a nonzero difference is subnormal (see doc.go), so
// that processors that flush subnormals to zero find the same bits.
func (s *Step) SubtractFrom(c tensor.Chunk, dst []float32) {
	b := s.chunk(c)
	m := bitmapLen(c.Len)
	width, values := widthOf(s.bits), b[1+m:]
	unit := float32(math.Ldexp(1, int(int8(b[0]))))
	for i, set := range b[1 : 1+m] {
		for ; set != 0; set &= set - 1 {
			dst[8*i+bits.TrailingZeros8(set)] -= float32(float32(integerAt(values, width)) * unit)
			values = values[width:]
		}
	}
}

// Apply writes to dst the parameters of src moved by the step. Both may be the
// same. Where both lie in memory several cores work in place.
func Apply(s *Step, dst tensor.Writer, src tensor.Reader) error {
	to, ok := dst.(tensor.Flat)
	from, also := src.(tensor.Flat)
	if ok && also {
		s.applyFlat(to, from)
		return nil
	}
	var vals [tensor.ChunkLen]float32
	for c := range s.layout.Chunks() {
		if err := src.ReadChunk(c, vals[:c.Len]); err != nil {
			return fmt.Errorf("aggregation: apply step, read tensor %q chunk %d: %w", s.layout.Spec(c.Tensor).Name, c.Index, err)
		}
		s.SubtractFrom(c, vals[:c.Len])
		if err := dst.WriteChunk(c, vals[:c.Len]); err != nil {
			return fmt.Errorf("aggregation: apply step, write tensor %q chunk %d: %w", s.layout.Spec(c.Tensor).Name, c.Index, err)
		}
	}
	return nil
}

// applyFlat is Apply in memory: every chunk is one core's.
func (s *Step) applyFlat(dst, src tensor.Flat) {
	s.layout.Share(s.layout.Shares(), func(_, first, end int) {
		for c := range s.layout.Numbered(first, end) {
			to := dst[c.Offset : c.Offset+c.Len]
			if from := src[c.Offset : c.Offset+c.Len]; &from[0] != &to[0] {
				copy(to, from)
			}
			s.SubtractFrom(c, to)
		}
	})
}

func bitmapLen(n int) int { return (n + 7) / 8 }

func widthOf(stepBits int) int {
	if stepBits <= narrowBits {
		return 2
	}
	return 4
}

func numSet(bitmap []byte) int {
	n := 0
	for ; len(bitmap) >= 8; bitmap = bitmap[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(bitmap))
	}
	for _, b := range bitmap {
		n += bits.OnesCount8(b)
	}
	return n
}

func integerAt(b []byte, width int) int32 {
	if width == 2 {
		return int32(int16(binary.LittleEndian.Uint16(b)))
	}
	return int32(binary.LittleEndian.Uint32(b))
}

func appendInteger(b []byte, q int32, width int) []byte {
	if width == 2 {
		return binary.LittleEndian.AppendUint16(b, uint16(q))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(q))
}

// stepBuilder collects the chunks of a step in order.
type stepBuilder struct{ s *Step }

func newStepBuilder(l tensor.Layout, cfg Config) *stepBuilder {
	s := &Step{layout: l, bits: cfg.StepBits, plain: []byte(stepHeader)}
	s.starts = append(make([]int, 0, l.NumChunks()+1), len(s.plain))
	n := 0
	for t := range l.NumTensors() {
		s.firsts = append(s.firsts, n)
		n += l.NumChunksOf(t)
	}
	return &stepBuilder{s}
}

// reserve makes room for a plain form that moves n parameters.
func (b *stepBuilder) reserve(n int) {
	s := b.s
	size := s.layout.NumChunks() + bitmapsLen(s.layout) + n*widthOf(s.bits)
	s.plain = append(make([]byte, 0, len(s.plain)+size), s.plain...)
}

func (b *stepBuilder) add(out *chunkBytes) {
	b.s.plain = append(b.s.plain, out.bytes...)
	b.s.starts = append(b.s.starts, len(b.s.plain))
}

func (b *stepBuilder) step() *Step { return b.s }
