package aggregation

// This file holds the last rounding: from values in units of 2^−Unit to the
// integers and the exponent of a step's chunk.

import (
	"math/bits"
	"slices"

	"lode/gradient"
	"lode/gradient/kernel"
	"lode/tensor"
)

// chunkBytes is the plain form of one chunk of a step: exponent, bitmap of the
// places that move, their integers.
type chunkBytes struct{ bytes []byte }

// quantise writes vals under the lowest exponent X = shift − Unit with which the
// largest magnitude has StepBits bits after rounding. Above StepEMax it stays there
// and larger values end at ±(2^StepBits − 1).
func (o *chunkBytes) quantise(vals []int64, cfg Config) {
	top := kernel.Top(vals)
	head := 1 + bitmapLen(len(vals))
	if top == 0 {
		o.bytes = append(o.bytes[:0], make([]byte, head)...)
		return
	}
	limit := uint64(1)<<cfg.StepBits - 1
	shift := max(bits.Len64(top)-cfg.StepBits, 0)
	if roundShift(top, uint(shift)) > limit {
		shift++
	}
	shift = min(shift, cfg.StepEMax+cfg.Unit)
	width := widthOf(cfg.StepBits)
	o.bytes = slices.Grow(o.bytes[:0], head+width*tensor.ChunkLen+kernel.PackRoom)
	if width == 2 && top <= kernel.MaxMagnitude {
		room := o.bytes[:cap(o.bytes)]
		used := kernel.Pack(room[1:head], room[head:], vals, uint(shift), int16(limit))
		o.bytes = room[:head+used]
	} else {
		o.pack(vals, uint(shift), limit, width)
	}
	o.bytes[0] = 0
	if len(o.bytes) > head {
		o.bytes[0] = byte(int8(shift - cfg.Unit))
	}
}

// pack is [kernel.Pack] for values and integers of any size. It leaves the exponent
// open.
func (o *chunkBytes) pack(vals []int64, shift uint, limit uint64, width int) {
	o.bytes = append(o.bytes, make([]byte, 1+bitmapLen(len(vals)))...)
	for i, v := range vals {
		if q := min(roundShift(magnitude(v), shift), limit); q != 0 {
			o.bytes[1+i/8] |= 1 << (i % 8)
			o.bytes = appendInteger(o.bytes, int32(signed(q, v < 0)), width)
		}
	}
}

// takeFrom subtracts what was written from vals, in units of 2^−Unit.
func (o *chunkBytes) takeFrom(vals []int64, cfg Config) {
	var buf [tensor.ChunkLen]gradient.Entry
	entries, exp := chunkEntries(buf[:0], o.bytes, len(vals), cfg.StepBits)
	for _, e := range entries {
		vals[e.Pos] -= e.Value << (exp + cfg.Unit)
	}
}
