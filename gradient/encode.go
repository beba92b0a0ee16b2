package gradient

// This file holds the encoder: from values, chunk by chunk, to the plain form.

import (
	"errors"
	"fmt"

	"lode/tensor"
)

// Encode compresses the D values that a gives out under l. It looks at each chunk
// that is not of a frozen tensor once: of a [tensor.Viewer] where it lies, several
// at the same time on several cores; of others one after another. A NaN or infinity
// is an error that wraps [ErrNotFinite] and names tensor and index; an error of a is
// returned wrapped.
func Encode(l tensor.Layout, p Params, a tensor.Reader) (*Update, error) {
	e, err := NewEncoder(l, p)
	if err != nil {
		return nil, err
	}
	if _, err := e.Encode(a); err != nil {
		return nil, err
	}
	return newUpdate(e.f, e.plain), nil // which keeps nothing else of e
}

// Encoder makes one update after another in the same memory: from the second on it
// allocates nothing on one core, and on several what it takes to start their work.
// It serves one goroutine.
type Encoder struct {
	f      *plan
	lanes  []*scratch // one for each core
	errs   []error    // of each lane
	plain  []byte
	update Update
	wire   wire
}

// NewEncoder returns an Encoder of updates of l under p.
func NewEncoder(l tensor.Layout, p Params) (*Encoder, error) {
	f, err := readyPlan(l, p)
	if err != nil {
		return nil, err
	}
	return &Encoder{f: f, plain: make([]byte, f.size)}, nil
}

// Encode is [Encode]; the update is valid until the next call.
func (e *Encoder) Encode(a tensor.Reader) (*Update, error) {
	clear(e.plain)
	copy(e.plain, header)
	l, lanes := e.f.layout, 1
	if _, ok := a.(tensor.Viewer); ok {
		lanes = l.Shares()
	}
	for len(e.lanes) < lanes {
		e.lanes, e.errs = append(e.lanes, new(scratch)), append(e.errs, nil)
	}
	if lanes == 1 {
		e.errs[0] = e.encode(a, e.lanes[0], 0, l.NumChunks())
	} else {
		l.Share(lanes, func(i, first, end int) { e.errs[i] = e.encode(a, e.lanes[i], first, end) })
	}
	if err := errors.Join(e.errs[:lanes]...); err != nil {
		return nil, err
	}
	e.update = Update{Part{f: e.f, plain: e.plain}}
	return &e.update, nil
}

// AppendWire appends the form in which the last update travels, that of
// [Update.Wire], to dst and returns the extended slice.
func (e *Encoder) AppendWire(dst []byte) []byte { return e.wire.append(dst, &e.update) }

// encode compresses the chunks numbered from first to before end.
func (e *Encoder) encode(a tensor.Reader, s *scratch, first, end int) error {
	for c := range e.f.layout.Numbered(first, end) {
		if err := e.chunk(a, c, s); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) chunk(a tensor.Reader, c tensor.Chunk, s *scratch) error {
	codec, b := e.f.chunk(e.plain, 0, c)
	if codec == nil {
		return nil
	}
	vals := tensor.View(a, c)
	if vals == nil {
		vals = s.vals[:c.Len]
		if err := a.ReadChunk(c, vals); err != nil {
			return fmt.Errorf("gradient: encode tensor %q chunk %d: %w", e.f.layout.Spec(c.Tensor).Name, c.Index, err)
		}
	}
	if bad := codec.encode(b, vals, s); bad >= 0 {
		return fmt.Errorf("gradient: encode tensor %q value %d is %v: %w", e.f.layout.Spec(c.Tensor).Name, c.Index*tensor.ChunkLen+bad, vals[bad], ErrNotFinite)
	}
	return nil
}
