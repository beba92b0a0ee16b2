package gradient

// This file holds the encoder: from values, chunk by chunk, to the plain form.

import (
	"fmt"

	"lode/tensor"
)

// Encode compresses the D values that a gives out under l. It reads each chunk
// that is not of a frozen tensor once, in order. A NaN or infinity is an error
// that wraps [ErrNotFinite] and names tensor and index; an error of a is
// returned wrapped.
func Encode(l tensor.Layout, p Params, a tensor.Reader) (*Update, error) {
	f, err := newPlan(l, p)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, f.size)
	copy(plain, header)
	var s scratch
	var buf [tensor.ChunkLen]float32
	for c := range l.Chunks() {
		codec, b := f.chunk(plain, 0, c)
		if codec == nil {
			continue
		}
		vals := tensor.View(a, c)
		if vals == nil {
			vals = buf[:c.Len]
			if err := a.ReadChunk(c, vals); err != nil {
				return nil, fmt.Errorf("gradient: encode tensor %q chunk %d: %w", l.Spec(c.Tensor).Name, c.Index, err)
			}
		}
		if bad := codec.encode(b, vals, &s); bad >= 0 {
			return nil, fmt.Errorf("gradient: encode tensor %q value %d is %v: %w",
				l.Spec(c.Tensor).Name, c.Index*tensor.ChunkLen+bad, vals[bad], ErrNotFinite)
		}
	}
	return newUpdate(f, plain), nil
}
