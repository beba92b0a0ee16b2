package gradient

// This file holds the wire form: the plain form's parts gathered into columns,
// each of which has bytes of one kind and so compresses well.

import (
	"fmt"
	"slices"

	"lode/gradient/column"
	"lode/tensor"
)

// Wire returns the form that travels, newly made: the format's header, then the
// packed columns (package column) of all codecs in turn. Its bytes depend on the
// compressor's version; what they decode to does not.
func (u *Update) Wire() []byte { return new(wire).append(nil, u) }

// wire is the memory in which wire forms of one plan are made. The zero value is
// ready.
type wire struct {
	cols   [][][]byte // of each codec
	all    [][]byte   // the same in one row
	packer column.Packer
}

// append appends the wire form of u to dst.
func (w *wire) append(dst []byte, u *Update) []byte {
	w.empty(u.f)
	for c := range u.f.layout.Chunks() {
		if codec, b := u.chunk(c); codec != nil {
			codec.spread(w.cols[u.f.of[c.Tensor]], b, c.Len)
		}
	}
	w.all = w.all[:0]
	for i, specs := range u.f.columns {
		for j, s := range specs {
			if s.delta {
				differ(w.cols[i][j])
			}
			w.all = append(w.all, w.cols[i][j])
		}
	}
	return w.packer.Pack(append(dst, header...), w.all...)
}

// empty makes empty columns for f, with room for all that may come.
func (w *wire) empty(f *plan) {
	if w.cols == nil {
		w.cols = make([][][]byte, len(f.columns))
	}
	for i, specs := range f.columns {
		if w.cols[i] == nil {
			w.cols[i] = make([][]byte, len(specs))
		}
		for j, s := range specs {
			w.cols[i][j] = slices.Grow(w.cols[i][j][:0], s.Max)
		}
	}
}

// Positions is the name of the column that says where kept values are.
const Positions = "positions"

// Share is what one kind of bytes takes of a wire form.
type Share struct {
	Of    string // weights, embeddings or vectors
	Name  string // of the column
	Bytes int    // packed
}

// Shares tells what the bytes of wire, a form that u travels in, are spent on; for
// people. Headers of frames are part of their columns.
func (u *Update) Shares(wire []byte) []Share {
	var shares []Share
	for i, specs := range u.f.columns {
		of := [...]string{forWeights: "weights", forEmbeddings: "embeddings", forVectors: "vectors"}[i]
		for _, s := range specs {
			shares = append(shares, Share{Of: of, Name: s.name})
		}
	}
	for i, n := range column.Sizes(wire[len(header):], len(shares)) {
		shares[i].Bytes = n
	}
	return shares
}

// differ turns bytes into differences to the one before, modulo 256; add undoes
// it.
func differ(b []byte) {
	last := byte(0)
	for i, v := range b {
		b[i], last = v-last, v
	}
}

func add(b []byte) {
	last := byte(0)
	for i, v := range b {
		last += v
		b[i] = last
	}
}

// ParseWire returns the update that wire encodes under l and p. It keeps nothing
// of wire. Input that is too long is refused unread, and nothing is allocated
// before every length in it is known to be within bounds.
func ParseWire(l tensor.Layout, p Params, wire []byte) (*Update, error) {
	f, err := readyPlan(l, p)
	if err != nil {
		return nil, err
	}
	if len(wire) < len(header) || string(wire[:len(header)]) != header {
		return nil, fmt.Errorf("gradient: wire form starts with %q: %w", wire[:min(len(wire), len(header))], ErrMalformed)
	}
	all, err := column.Unpack(wire[len(header):], f.ranges()...)
	if err != nil {
		return nil, fmt.Errorf("gradient: wire form: %w", err)
	}
	cols := make([][][]byte, len(f.codecs))
	for i, specs := range f.columns {
		cols[i], all = all[:len(specs)], all[len(specs):]
		for j, s := range specs {
			if s.delta {
				add(cols[i][j])
			}
		}
	}
	plain, err := f.join(cols)
	if err != nil {
		return nil, err
	}
	return newUpdate(f, plain), nil
}

// join builds a plain form from columns of permitted lengths, checked chunk by
// chunk.
func (f *plan) join(cols [][][]byte) ([]byte, error) {
	plain := make([]byte, f.size)
	copy(plain, header)
	for c := range f.layout.Chunks() {
		codec, b := f.chunk(plain, 0, c)
		if codec == nil {
			continue
		}
		if err := codec.gather(b, cols[f.of[c.Tensor]], c.Len); err != nil {
			return nil, fmt.Errorf("gradient: tensor %q chunk %d: %w", f.layout.Spec(c.Tensor).Name, c.Index, err)
		}
		if err := f.check(plain, 0, c); err != nil {
			return nil, err
		}
	}
	for _, codec := range cols {
		for _, col := range codec {
			if len(col) != 0 {
				return nil, fmt.Errorf("gradient: %d bytes too many in a column: %w", len(col), ErrMalformed)
			}
		}
	}
	return plain, nil
}
