package aggregation

// This file holds the last rounding: from values in units of 2^−Unit to the
// integers and the exponent of a step's chunk.

import (
	"math/bits"
)

// chunkBytes is the plain form of one chunk of a step: exponent, bitmap of the
// places that move, their integers.
type chunkBytes struct{ bytes []byte }

// quantise writes vals, and leaves in them what it wrote: the lowest exponent
// X = shift − Unit under which the largest magnitude has StepBits bits after
// rounding. Above StepEMax it stays there and larger values end at
// ±(2^StepBits − 1).
func (o *chunkBytes) quantise(vals []int64, cfg Config) {
	top := uint64(0)
	for _, v := range vals {
		top = max(top, magnitude(v))
	}
	m := bitmapLen(len(vals))
	o.bytes = append(o.bytes[:0], make([]byte, 1+m)...)
	if top == 0 {
		return
	}
	limit := uint64(1)<<cfg.StepBits - 1
	shift := max(bits.Len64(top)-cfg.StepBits, 0)
	if roundShift(top, uint(shift)) > limit {
		shift++
	}
	shift = min(shift, cfg.StepEMax+cfg.Unit)
	width, moved := widthOf(cfg.StepBits), false
	for i, v := range vals {
		if v == 0 {
			continue
		}
		q := min(roundShift(magnitude(v), uint(shift)), limit)
		vals[i] = signed(q<<shift, v < 0)
		if q == 0 {
			continue
		}
		moved = true
		o.bytes[1+i/8] |= 1 << (i % 8)
		o.bytes = appendInteger(o.bytes, int32(signed(q, v < 0)), width)
	}
	if moved {
		o.bytes[0] = byte(int8(shift - cfg.Unit))
	}
}
