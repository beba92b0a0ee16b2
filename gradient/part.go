package gradient

// This file holds parts of updates: what a merge has in memory of each, whether
// the whole update is there or only a window on it.

import (
	"fmt"
	"io"
	"math"

	"lode/tensor"
)

// Part is a run of consecutive chunks of one update. It is immutable while it is
// in use and may be shared by goroutines.
type Part struct {
	f     *plan
	from  int    // where plain begins in the whole plain form
	plain []byte // canonical: passed check throughout
}

// Layout returns the layout the update was made for.
func (p *Part) Layout() tensor.Layout { return p.f.layout }

// Params returns the parameters the update was made with.
func (p *Part) Params() Params { return p.f.params }

func (p *Part) chunk(c tensor.Chunk) (codec, []byte) { return p.f.chunk(p.plain, p.from, c) }

// Entry is one nonzero value of a chunk, in units of 2^exp of its vector.
type Entry struct {
	Pos   uint16 // index within the chunk
	Value int64  // not 0; below 2^44 in magnitude
}

// Entries appends the nonzero values of chunk c to dst in ascending position
// and returns the extended slice and the exponent of their unit, EMin.
func (p *Part) Entries(dst []Entry, c tensor.Chunk) (entries []Entry, exp int) {
	if codec, b := p.chunk(c); codec != nil {
		dst = codec.entries(dst, b, c.Len)
	}
	return dst, int(p.f.params.EMin)
}

// Rounding makes integers of values by one factor, rounded to nearest, ties to even.
type Rounding interface {
	// Round returns v times the factor.
	Round(v int64) int64
	// Scale returns the factor: at most 45 binary digits, so that its products with
	// signed bytes are exact. Those are below 2^51.
	Scale() float64
}

// AddTo adds r of each nonzero value of chunk c, in units of 2^EMin, to dst, whose
// length is c.Len. Where the codec has levels, r rounds each of them once.
func (p *Part) AddTo(dst []int64, c tensor.Chunk, r Rounding) {
	if codec, b := p.chunk(c); codec != nil {
		codec.add(dst[:c.Len], b, r)
	}
}

// SetTo is AddTo for a dst that holds zeros, whatever it holds.
func (p *Part) SetTo(dst []int64, c tensor.Chunk, r Rounding) {
	dst = dst[:c.Len]
	codec, b := p.chunk(c)
	if s, ok := codec.(setter); ok {
		s.set(dst, b, r)
		return
	}
	clear(dst)
	if codec != nil {
		codec.add(dst, b, r)
	}
}

// SubtractFrom turns dst, the values a of chunk c, into the residual
// a − round(f·decoded): the scaled value is rounded to float64, then to float32,
// and the difference to float32, so that every machine finds the same bits. With
// f = [Unclipped] the scaled value is that which was decoded; with f = 0, dst
// stays as it is.
func (p *Part) SubtractFrom(c tensor.Chunk, f Clip, dst []float32) {
	codec, b := p.chunk(c)
	if f == 0 || codec == nil {
		return
	}
	codec.subtract(dst[:c.Len], b, math.Ldexp(float64(f), int(p.f.params.EMin)-clipBits))
}

// Load returns the update itself: all of it is there.
func (u *Update) Load(_, _ tensor.Chunk, _ *Part) (*Part, error) { return &u.Part, nil }

// Stored is an update whose plain form is kept elsewhere and read window by
// window, so that a merge of many large updates needs little memory. It may be
// shared by goroutines if its reader may.
type Stored struct {
	f     *plan
	plain io.ReaderAt
}

// NewStored returns the update whose plain form is behind r. That it is the right
// one, by digest, is the caller's care; chunks are checked when they are read, as
// [ParsePlain] checks them.
func NewStored(l tensor.Layout, p Params, r io.ReaderAt) (*Stored, error) {
	f, err := readyPlan(l, p)
	if err != nil {
		return nil, err
	}
	return &Stored{f, r}, nil
}

// Layout returns the layout the update was made for.
func (s *Stored) Layout() tensor.Layout { return s.f.layout }

// Params returns the parameters the update was made with.
func (s *Stored) Params() Params { return s.f.params }

// NumKept returns how many values the update names.
func (s *Stored) NumKept() int { return s.f.numKept }

// Load reads the chunks from first to last, in the memory of old if that is
// enough.
func (s *Stored) Load(first, last tensor.Chunk, old *Part) (*Part, error) {
	from, _ := s.f.within(first)
	_, to := s.f.within(last)
	p := &Part{f: s.f, from: from}
	if old != nil && cap(old.plain) >= to-from {
		p.plain = old.plain[:to-from]
	} else {
		p.plain = make([]byte, to-from)
	}
	if n, err := s.plain.ReadAt(p.plain, int64(from)); n < len(p.plain) {
		return nil, fmt.Errorf("gradient: stored update, bytes %d to %d: %w", from, to, err)
	}
	for c := range s.f.layout.Span(first, last) {
		if err := s.f.check(p.plain, from, c); err != nil {
			return nil, err
		}
	}
	return p, nil
}
