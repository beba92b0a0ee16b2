package aggregation

// This file holds the wire form of a step: its parts gathered into columns.

import (
	"fmt"

	"lode/gradient"
	"lode/gradient/column"
	"lode/tensor"
)

// Columns of the wire form, in order. A magnitude is |q| − 1; its bytes lie in
// one plane each, lowest first, as many as StepBits needs.
const (
	colExps    = iota // exponents, each less the one before, modulo 256
	colBitmaps        // as in the plain form
	colSigns          // one bit per integer, lowest first, 1 below zero
	colPlanes         // first of the planes of magnitudes
)

func numPlanes(stepBits int) int { return (stepBits + 7) / 8 }

func stepColumns(l tensor.Layout, cfg Config) []column.Range {
	r := []column.Range{
		colExps:    column.Exactly(l.NumChunks()),
		colBitmaps: column.Exactly(bitmapsLen(l)),
		colSigns:   {Max: bitmapLen(mostMoved(l, cfg))},
	}
	for range numPlanes(cfg.StepBits) {
		r = append(r, column.Range{Max: mostMoved(l, cfg)})
	}
	return r
}

// MaxStepWireLen bounds the length of the wire form of every step under l and
// cfg; it is 0 if cfg is not valid.
func MaxStepWireLen(l tensor.Layout, cfg Config) int {
	if cfg.Validate() != nil {
		return 0
	}
	return len(stepHeader) + column.MaxLen(stepColumns(l, cfg)...)
}

// Wire returns the form that travels, newly made: the header, then the packed
// columns (package gradient/column). Its bytes depend on the compressor's
// version; what they decode to does not.
func (s *Step) Wire() []byte {
	cols := make([][]byte, colPlanes+numPlanes(s.bits))
	n, last := 0, byte(0)
	var entries []gradient.Entry
	for c := range s.layout.Chunks() {
		b := s.chunk(c)
		cols[colExps] = append(cols[colExps], b[0]-last)
		cols[colBitmaps] = append(cols[colBitmaps], b[1:1+bitmapLen(c.Len)]...)
		last = b[0]
		entries, _ = s.Entries(entries[:0], c)
		for _, e := range entries {
			cols[colSigns] = appendBit(cols[colSigns], n, e.Value < 0)
			n++
			m := magnitude(e.Value) - 1
			for p := range cols[colPlanes:] {
				cols[colPlanes+p] = append(cols[colPlanes+p], byte(m>>(8*p)))
			}
		}
	}
	return column.Pack([]byte(stepHeader), cols...)
}

// appendBit sets bit n of a bitmap that holds n bits so far.
func appendBit(bitmap []byte, n int, set bool) []byte {
	if n%8 == 0 {
		bitmap = append(bitmap, 0)
	}
	if set {
		bitmap[n/8] |= 1 << (n % 8)
	}
	return bitmap
}

// ParseStepWire returns the step that wire encodes under l and cfg. It keeps
// nothing of wire and is as strict as [gradient.ParseWire].
func ParseStepWire(l tensor.Layout, cfg Config, wire []byte) (*Step, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(wire) < len(stepHeader) || string(wire[:len(stepHeader)]) != stepHeader {
		return nil, fmt.Errorf("aggregation: step starts with %q: %w", wire[:min(len(wire), len(stepHeader))], gradient.ErrMalformed)
	}
	cols, err := column.Unpack(wire[len(stepHeader):], stepColumns(l, cfg)...)
	if err != nil {
		return nil, fmt.Errorf("aggregation: step: %w", err)
	}
	n := numSet(cols[colBitmaps])
	if len(cols[colSigns]) != bitmapLen(n) || n%8 != 0 && cols[colSigns][n/8]>>(n%8) != 0 {
		return nil, fmt.Errorf("aggregation: step: signs do not fit %d integers: %w", n, gradient.ErrMalformed)
	}
	for _, plane := range cols[colPlanes:] {
		if len(plane) != n {
			return nil, fmt.Errorf("aggregation: step: %d magnitudes for %d integers: %w", len(plane), n, gradient.ErrMalformed)
		}
	}
	plain, err := joinColumns(l, cfg, cols, n)
	if err != nil {
		return nil, err
	}
	return ParseStepPlain(l, cfg, plain)
}

// joinColumns builds a plain form from columns of matching lengths that name n
// integers. Planes can say more than StepBits bits, which a plain form cannot.
func joinColumns(l tensor.Layout, cfg Config, cols [][]byte, n int) ([]byte, error) {
	width, limit := widthOf(cfg.StepBits), int32(1)<<cfg.StepBits-1
	plain := make([]byte, 0, len(stepHeader)+len(cols[colExps])+len(cols[colBitmaps])+width*n)
	plain = append(plain, stepHeader...)
	exps, bitmaps, at, last := cols[colExps], cols[colBitmaps], 0, byte(0)
	for c := range l.Chunks() {
		last += exps[0]
		exps = exps[1:]
		bitmap := bitmaps[:bitmapLen(c.Len)]
		bitmaps = bitmaps[len(bitmap):]
		plain = append(append(plain, last), bitmap...)
		for range numSet(bitmap) {
			q := int32(1)
			for p, plane := range cols[colPlanes:] {
				q += int32(plane[at]) << (8 * p)
			}
			if q > limit {
				return nil, fmt.Errorf("aggregation: step: integer of magnitude %d, want 1 to %d bits: %w", q, cfg.StepBits, gradient.ErrMalformed)
			}
			if cols[colSigns][at/8]>>(at%8)&1 == 1 {
				q = -q
			}
			plain = appendInteger(plain, q, width)
			at++
		}
	}
	return plain, nil
}
