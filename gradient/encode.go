package gradient

// This file holds the encoder: from values, chunk by chunk, to the plain form.

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"lode/tensor"
)

// minLane is the least number of chunks worth a core of their own.
const minLane = 64

// Encode compresses the D values that a gives out under l. It looks at each chunk
// that is not of a frozen tensor once: of a [tensor.Viewer] where it lies, several
// at the same time on several cores; of others one after another. A NaN or infinity is an error that wraps
// [ErrNotFinite] and names tensor and index; an error of a is returned wrapped.
func Encode(l tensor.Layout, p Params, a tensor.Reader) (*Update, error) {
	f, err := readyPlan(l, p)
	if err != nil {
		return nil, err
	}
	e := &encoder{f: f, plain: make([]byte, f.size), a: a}
	copy(e.plain, header)
	num := l.NumChunks()
	lanes := 1
	if _, ok := a.(tensor.Viewer); ok {
		lanes = max(1, min(runtime.GOMAXPROCS(0), num/minLane))
	}
	errs := make([]error, lanes)
	var wait sync.WaitGroup
	for i := range lanes {
		wait.Go(func() { errs[i] = e.encode(num*i/lanes, num*(i+1)/lanes) }) // ends with its chunks
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return newUpdate(f, e.plain), nil
}

// encoder is one call to Encode.
type encoder struct {
	f     *plan
	plain []byte
	a     tensor.Reader
}

// encode compresses the chunks numbered from first to before end.
func (e *encoder) encode(first, end int) error {
	s := new(scratch)
	i := 0
	for c := range e.f.layout.Chunks() {
		if first <= i && i < end {
			if err := e.chunk(c, s); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}

func (e *encoder) chunk(c tensor.Chunk, s *scratch) error {
	codec, b := e.f.chunk(e.plain, 0, c)
	if codec == nil {
		return nil
	}
	vals := tensor.View(e.a, c)
	if vals == nil {
		vals = s.vals[:c.Len]
		if err := e.a.ReadChunk(c, vals); err != nil {
			return fmt.Errorf("gradient: encode tensor %q chunk %d: %w", e.f.layout.Spec(c.Tensor).Name, c.Index, err)
		}
	}
	if bad := codec.encode(b, vals, s); bad >= 0 {
		return fmt.Errorf("gradient: encode tensor %q value %d is %v: %w", e.f.layout.Spec(c.Tensor).Name, c.Index*tensor.ChunkLen+bad, vals[bad], ErrNotFinite)
	}
	return nil
}
