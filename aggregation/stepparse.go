package aggregation

// This file holds how the plain form of a step is read, strictly.

import (
	"fmt"

	"lode/gradient"
	"lode/tensor"
)

// MaxStepPlainLen bounds the length of the plain form of every step under l and
// cfg; it is 0 if cfg is not valid.
func MaxStepPlainLen(l tensor.Layout, cfg Config) int {
	if cfg.Validate() != nil {
		return 0
	}
	return len(stepHeader) + l.NumChunks() + bitmapsLen(l) + mostMoved(l, cfg)*widthOf(cfg.StepBits)
}

// bitmapsLen returns the bytes of the bitmaps of all chunks.
func bitmapsLen(l tensor.Layout) int {
	n := 0
	for t := range l.NumTensors() {
		size := l.Spec(t).Len()
		n += size/tensor.ChunkLen*bitmapLen(tensor.ChunkLen) + bitmapLen(size%tensor.ChunkLen)
	}
	return n
}

// ParseStepPlain returns the step whose plain form is plain, which it keeps and
// the caller must not change. Errors wrap [gradient.ErrMalformed],
// [gradient.ErrNotCanonical] or [gradient.ErrParams].
func ParseStepPlain(l tensor.Layout, cfg Config, plain []byte) (*Step, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(plain) < len(stepHeader) || string(plain[:len(stepHeader)]) != stepHeader {
		return nil, fmt.Errorf("aggregation: step starts with %q: %w", plain[:min(len(plain), len(stepHeader))], gradient.ErrMalformed)
	}
	b := newStepBuilder(l, cfg)
	b.s.plain = plain
	rest := plain[len(stepHeader):]
	for c := range l.Chunks() {
		n, err := checkStepChunk(rest, c.Len, keptOf(l.Spec(c.Tensor), c.Len, cfg), cfg)
		if err != nil {
			return nil, fmt.Errorf("aggregation: step, tensor %q chunk %d: %w", l.Spec(c.Tensor).Name, c.Index, err)
		}
		rest = rest[n:]
		b.s.starts = append(b.s.starts, len(plain)-len(rest))
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("aggregation: step: %d bytes too many: %w", len(rest), gradient.ErrMalformed)
	}
	return b.step(), nil
}

// checkStepChunk checks the chunk of n values, of which most may move, at the head
// of b and returns how many bytes it has.
func checkStepChunk(b []byte, n, most int, cfg Config) (int, error) {
	m, width := bitmapLen(n), widthOf(cfg.StepBits)
	if len(b) < 1+m {
		return 0, fmt.Errorf("%d bytes left for a bitmap of %d: %w", len(b), m, gradient.ErrMalformed)
	}
	bitmap := b[1 : 1+m]
	if used := n % 8; used != 0 && bitmap[m-1]>>used != 0 {
		return 0, fmt.Errorf("unused bits are set: %w", gradient.ErrNotCanonical)
	}
	moved := numSet(bitmap)
	if moved > most {
		return 0, fmt.Errorf("%d values move, at most %d may: %w", moved, most, gradient.ErrMalformed)
	}
	size := 1 + m + width*moved
	if len(b) < size {
		return 0, fmt.Errorf("%d bytes left, want %d: %w", len(b), size, gradient.ErrMalformed)
	}
	top := uint64(0)
	for values := b[1+m : size]; len(values) > 0; values = values[width:] {
		q := magnitude(int64(integerAt(values, width)))
		if q == 0 || q > 1<<cfg.StepBits-1 {
			return 0, fmt.Errorf("integer of magnitude %d, want 1 to %d bits: %w", q, cfg.StepBits, gradient.ErrMalformed)
		}
		top = max(top, q)
	}
	return size, checkStepScale(int(int8(b[0])), top, cfg)
}

// checkStepScale checks a chunk's exponent against its largest magnitude.
func checkStepScale(exp int, top uint64, cfg Config) error {
	switch {
	case top == 0 && exp != 0:
		return fmt.Errorf("chunk of zeros with exponent %d: %w", exp, gradient.ErrNotCanonical)
	case top == 0:
		return nil
	case exp < -cfg.Unit || exp > cfg.StepEMax:
		return fmt.Errorf("exponent %d, want %d to %d: %w", exp, -cfg.Unit, cfg.StepEMax, gradient.ErrMalformed)
	case top < 1<<(cfg.StepBits-1) && exp != -cfg.Unit:
		return fmt.Errorf("largest integer %d with exponent %d: %w", top, exp, gradient.ErrNotCanonical)
	}
	return nil
}
