package gradient

// This file holds the update: what it keeps, and how it is read.

import (
	"encoding/binary"
	"fmt"
	"math"

	"lode/tensor"
)

// Update is one compressed pseudo-gradient of a layout. It is immutable and may
// be shared by goroutines. Its decoded values are exact dyadic rationals ±m·2^e
// with m at most 255, each of them a float32; NaN and infinities do not occur.
type Update struct {
	f     *format
	plain []byte // canonical: passed checkChunk throughout
}

// ParsePlain returns the update whose plain form is plain, which it keeps and
// the caller must not change.
func ParsePlain(l tensor.Layout, p Params, plain []byte) (*Update, error) {
	f, err := newFormat(l, p)
	if err != nil {
		return nil, err
	}
	if len(plain) != f.size {
		return nil, fmt.Errorf("gradient: plain form of %d bytes, want %d: %w", len(plain), f.size, ErrMalformed)
	}
	if string(plain[:len(header)]) != header {
		return nil, fmt.Errorf("gradient: plain form starts with %q: %w", plain[:len(header)], ErrMalformed)
	}
	for c := range l.Chunks() {
		if err := f.checkChunk(f.chunk(plain, c), c); err != nil {
			return nil, err
		}
	}
	return &Update{f: f, plain: plain}, nil
}

// Plain returns the canonical form, whose digest stands for the update. The
// caller must not change it.
func (u *Update) Plain() []byte { return u.plain }

// Layout returns the layout the update was made for.
func (u *Update) Layout() tensor.Layout { return u.f.layout }

// Params returns the parameters the update was made with.
func (u *Update) Params() Params { return u.f.params }

// NumKept returns how many values the update names: k of each sparse chunk and
// all of each dense one.
func (u *Update) NumKept() int { return u.f.numKept }

// Entry is one nonzero value of a chunk.
type Entry struct {
	Pos      uint16 // index within the chunk
	Mantissa int32  // signed, not 0; the value is Mantissa·2^exp of its chunk
}

// Entries appends the nonzero values of chunk c to dst in ascending position
// and returns the extended slice and the chunk's exponent.
func (u *Update) Entries(dst []Entry, c tensor.Chunk) (entries []Entry, exp int) {
	b := u.f.chunk(u.plain, c)
	if u.f.isDense(c.Tensor) {
		for i, m := range b[1:] {
			if m != 0 {
				dst = append(dst, Entry{uint16(i), int32(int8(m))})
			}
		}
		return dst, int(int8(b[0]))
	}
	k := u.f.params.kept(c.Len)
	s := cutSparse(b, k)
	values := s.values()
	for i := range k {
		if m := values[s.code(i)]; m != 0 {
			dst = append(dst, Entry{binary.LittleEndian.Uint16(s.positions[2*i:]), m})
		}
	}
	return dst, int(int8(s.scale[0]))
}

// values returns the signed mantissa of each code.
func (s sparse) values() [4]int32 {
	hi, lo := int32(s.scale[1]), int32(s.scale[2])
	return [4]int32{0: lo, codeHigh: hi, codeNegative: -lo, codeHigh | codeNegative: -hi}
}

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

// SubtractFrom turns dst, the values a of chunk c, into the residual
// a − round(f·decoded): the scaled value is rounded to float32 once, the
// difference once more, so that every machine finds the same bits. With
// f = [Unclipped] the scaled value is exact; with f = 0, dst stays as it is.
func (u *Update) SubtractFrom(c tensor.Chunk, f Clip, dst []float32) {
	if f == 0 {
		return
	}
	b := u.f.chunk(u.plain, c)
	scale := math.Ldexp(float64(f), int(int8(b[0]))-clipBits)
	if u.f.isDense(c.Tensor) {
		for i, m := range b[1:] {
			dst[i] -= float32(float64(int8(m)) * scale)
		}
		return
	}
	k := u.f.params.kept(c.Len)
	s := cutSparse(b, k)
	var values [4]float32
	for code, m := range s.values() {
		values[code] = float32(float64(m) * scale)
	}
	for i := range k {
		dst[binary.LittleEndian.Uint16(s.positions[2*i:])] -= values[s.code(i)]
	}
}
