package gradient

// This file holds the wire form: the plain form's parts gathered into columns,
// each of which has bytes of one kind and so compresses well.

import (
	"encoding/binary"
	"fmt"

	"lode/gradient/column"
	"lode/tensor"
)

// Columns of the wire form, in order. Values of consecutive chunks follow one
// another; exponents are differences (modulo 256) to the one before.
const (
	colGaps    = iota // positions of sparse chunks as gap bytes
	colCodes          // codes of sparse chunks, as in the plain form
	colExps           // exponents of sparse chunks
	colHis            // their high mantissas
	colLos            // their low mantissas
	colDense          // mantissas of dense chunks
	colDensExp        // exponents of dense chunks
	numColumns
)

// columns returns the lengths the columns may have.
func (f *format) columns() [numColumns]column.Range {
	return [numColumns]column.Range{
		colGaps:    {Min: f.numSel, Max: f.numSel + f.numEsc},
		colCodes:   column.Exactly(f.codes),
		colExps:    column.Exactly(f.scales),
		colHis:     column.Exactly(f.scales),
		colLos:     column.Exactly(f.scales),
		colDense:   column.Exactly(f.dense),
		colDensExp: column.Exactly(f.exps),
	}
}

// Wire returns the form that travels, newly made: the format's header, then the
// packed columns (package column). Its bytes depend on the compressor's version;
// what they decode to does not.
func (u *Update) Wire() []byte {
	var cols [numColumns][]byte
	for i, r := range u.f.columns() {
		cols[i] = make([]byte, 0, r.Max)
	}
	var positions [tensor.ChunkLen]uint16
	var last, lastDense byte
	for c := range u.f.layout.Chunks() {
		b := u.f.chunk(u.plain, c)
		if u.f.isDense(c.Tensor) {
			cols[colDensExp] = append(cols[colDensExp], b[0]-lastDense)
			cols[colDense] = append(cols[colDense], b[1:]...)
			lastDense = b[0]
			continue
		}
		k := u.f.params.kept(c.Len)
		s := cutSparse(b, k)
		for i := range k {
			positions[i] = binary.LittleEndian.Uint16(s.positions[2*i:])
		}
		cols[colGaps] = column.AppendGaps(cols[colGaps], positions[:k])
		cols[colCodes] = append(cols[colCodes], s.codes...)
		cols[colExps] = append(cols[colExps], s.scale[0]-last)
		cols[colHis] = append(cols[colHis], s.scale[1])
		cols[colLos] = append(cols[colLos], s.scale[2])
		last = s.scale[0]
	}
	return column.Pack([]byte(header), cols[:]...)
}

// ParseWire returns the update that wire encodes under l and p. It keeps nothing
// of wire. Input that is too long is refused unread, and nothing is allocated
// before every length in it is known to be within bounds.
func ParseWire(l tensor.Layout, p Params, wire []byte) (*Update, error) {
	f, err := newFormat(l, p)
	if err != nil {
		return nil, err
	}
	if len(wire) < len(header) || string(wire[:len(header)]) != header {
		return nil, fmt.Errorf("gradient: wire form starts with %q: %w", wire[:min(len(wire), len(header))], ErrMalformed)
	}
	ranges := f.columns()
	cols, err := column.Unpack(wire[len(header):], ranges[:]...)
	if err != nil {
		return nil, fmt.Errorf("gradient: wire form: %w", err)
	}
	plain := make([]byte, f.size)
	copy(plain, header)
	r := wireReader{f: f, cols: cols}
	for c := range l.Chunks() {
		b := f.chunk(plain, c)
		if err := r.chunk(b, c); err != nil {
			return nil, fmt.Errorf("gradient: tensor %q chunk %d: %w", l.Spec(c.Tensor).Name, c.Index, err)
		}
		if err := f.checkChunk(b, c); err != nil {
			return nil, err
		}
	}
	if n := len(cols[colGaps]); n != 0 {
		return nil, fmt.Errorf("gradient: %d gap bytes too many: %w", n, ErrMalformed)
	}
	return &Update{f: f, plain: plain}, nil
}

// wireReader deals the columns out to chunks. All columns but the gaps have
// exactly the bytes that the chunks ask for.
type wireReader struct {
	f               *format
	cols            [][]byte
	positions       [tensor.ChunkLen]uint16
	last, lastDense byte
}

// take returns the next n bytes of a column.
func (r *wireReader) take(col, n int) []byte {
	b := r.cols[col][:n]
	r.cols[col] = r.cols[col][n:]
	return b
}

// chunk writes the plain bytes of c to b.
func (r *wireReader) chunk(b []byte, c tensor.Chunk) error {
	if r.f.isDense(c.Tensor) {
		r.lastDense += r.take(colDensExp, 1)[0]
		b[0] = r.lastDense
		copy(b[1:], r.take(colDense, c.Len))
		return nil
	}
	k := r.f.params.kept(c.Len)
	s := cutSparse(b, k)
	rest, err := column.ReadGaps(r.cols[colGaps], r.positions[:k], c.Len)
	if err != nil {
		return err
	}
	r.cols[colGaps] = rest
	for i, at := range r.positions[:k] {
		binary.LittleEndian.PutUint16(s.positions[2*i:], at)
	}
	copy(s.codes, r.take(colCodes, len(s.codes)))
	r.last += r.take(colExps, 1)[0]
	s.scale[0], s.scale[1], s.scale[2] = r.last, r.take(colHis, 1)[0], r.take(colLos, 1)[0]
	return nil
}
