package gradient

// This file holds the update: what it keeps, and how it is read.

import (
	"fmt"

	"lode/tensor"
)

// Update is one compressed pseudo-gradient of a layout. It is immutable and may
// be shared by goroutines. Its decoded values are exact: multiples of 2^EMin
// below 2^(EMax+8); NaN and infinities do not occur.
type Update struct{ Part }

// ParsePlain returns the update whose plain form is plain, which it keeps and
// the caller must not change.
func ParsePlain(l tensor.Layout, p Params, plain []byte) (*Update, error) {
	f, err := readyPlan(l, p)
	if err != nil {
		return nil, err
	}
	if len(plain) != f.size {
		return nil, fmt.Errorf("gradient: plain form of %d bytes, want %d: %w", len(plain), f.size, ErrMalformed)
	}
	if string(plain[:len(header)]) != header {
		return nil, fmt.Errorf("gradient: plain form starts with %q: %w", plain[:len(header)], ErrMalformed)
	}
	if err := f.checkAll(plain); err != nil {
		return nil, err
	}
	return newUpdate(f, plain), nil
}

// checkAll checks all chunks, on several cores, and returns what is wrong with the first.
func (f *plan) checkAll(plain []byte) error {
	errs := make([]error, f.layout.Shares())
	f.layout.Share(len(errs), func(i, first, end int) { errs[i] = f.checkSome(plain, first, end) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSome checks the chunks numbered from first to before end.
func (f *plan) checkSome(plain []byte, first, end int) error {
	for c := range f.layout.Numbered(first, end) {
		if err := f.check(plain, 0, c); err != nil {
			return err
		}
	}
	return nil
}

// check tells whether the bytes of chunk c are the canonical form, in plain as in
// chunk.
func (f *plan) check(plain []byte, from int, c tensor.Chunk) error {
	codec, b := f.chunk(plain, from, c)
	if codec == nil {
		return nil
	}
	if err := codec.check(b, c.Len); err != nil {
		return fmt.Errorf("gradient: tensor %q chunk %d: %w", f.layout.Spec(c.Tensor).Name, c.Index, err)
	}
	return nil
}

func newUpdate(f *plan, plain []byte) *Update { return &Update{Part{f: f, plain: plain}} }

// Plain returns the canonical form, whose digest stands for the update. The
// caller must not change it.
func (u *Update) Plain() []byte { return u.plain }

// NumKept returns how many values the update names: k of each sparse chunk and
// all of each dense one.
func (u *Update) NumKept() int { return u.f.numKept }

// ReadChunk fills dst with the decoded values of chunk c; it makes an Update a
// [tensor.Reader] and never fails.
func (u *Update) ReadChunk(c tensor.Chunk, dst []float32) error {
	dst = dst[:c.Len]
	clear(dst)
	u.SubtractFrom(c, Unclipped, dst)
	for i, v := range dst {
		dst[i] = 0 - v // not -v: no negative zeros
	}
	return nil
}
