package aggregation

// This file holds the rows of one chunk in the forms that rules want them in, and
// what a core needs to combine them.

import (
	"lode/gradient"
	"lode/tensor"
)

// Term is one row's value at one place of a chunk, clipped and in units of
// 2^−Unit: at most 2^44 in magnitude. It may be 0.
type Term struct {
	Pos   uint16
	Value int64
}

// Row is what one contribution holds of a chunk, in ascending position; what it
// does not name is 0.
type Row []Term

// table is the rows of one chunk. It belongs to one core; what it returns is
// valid until it is asked again or turns to another chunk.
type table interface {
	num() int
	// terms returns the rows, values the same written out, to be changed freely.
	terms() []Row
	values() [][]int64
}

// combiner makes one row of the rows of a table.
type combiner interface {
	// combine writes to dst, which is zero when it comes.
	combine(dst []int64, t table, s *scratch)
}

// scratch is what a core needs to combine.
type scratch struct {
	sums
	placeScratch
	voteScratch
	keys [tensor.ChunkLen]uint64 // magnitudes, in any order
}

// chunkRows is a table of what contributions hold.
type chunkRows struct {
	from    []Contribution
	unit    int
	parts   []*gradient.Part // of each contribution
	chunk   tensor.Chunk
	entries []gradient.Entry
	fixed   fixed
	sparse  []Row
	dense   grid
}

func (r *chunkRows) num() int { return len(r.parts) }

// rounding returns how row w becomes integers, valid until it is asked again.
func (r *chunkRows) rounding(w int) *fixed {
	r.fixed = fixed{int(r.parts[w].Params().EMin), r.unit, r.from[w].Clip}
	return &r.fixed
}

// addTo adds row w to dst.
func (r *chunkRows) addTo(dst []int64, w int) { r.parts[w].AddTo(dst, r.chunk, r.rounding(w)) }

func (r *chunkRows) terms() []Row {
	if r.sparse == nil {
		r.sparse = make([]Row, r.num())
	}
	for w := range r.sparse {
		r.entries, _ = r.parts[w].Entries(r.entries[:0], r.chunk)
		fixed, row := r.rounding(w), r.sparse[w][:0]
		for _, e := range r.entries {
			row = append(row, Term{e.Pos, fixed.Round(e.Value)})
		}
		r.sparse[w] = row
	}
	return r.sparse
}

func (r *chunkRows) values() [][]int64 {
	rows := r.dense.rows(r.num(), r.chunk.Len)
	for w, row := range rows {
		r.parts[w].SetTo(row, r.chunk, r.rounding(w))
	}
	return rows
}

// blendedRows is a table of blends of another's rows.
type blendedRows struct {
	blends []blend
	of     table
	len    int // of the chunk
	sums   *sums
	sparse []Row
	dense  grid
}

func (r *blendedRows) num() int { return len(r.blends) }

func (r *blendedRows) values() [][]int64 {
	rows, inner := r.dense.rows(r.num(), r.len), r.of.terms()
	for i, b := range r.blends {
		clear(rows[i])
		b.sum(rows[i], inner, r.sums)
	}
	return rows
}

func (r *blendedRows) terms() []Row {
	if r.sparse == nil {
		r.sparse = make([]Row, r.num())
	}
	for i, vals := range r.values() {
		row := r.sparse[i][:0]
		for pos, v := range vals {
			if v != 0 {
				row = append(row, Term{uint16(pos), v})
			}
		}
		r.sparse[i] = row
	}
	return r.sparse
}

// grid is room for rows that are written out.
type grid [][]int64

// rows returns num rows of n values, which may be anything.
func (g *grid) rows(num, n int) [][]int64 {
	for len(*g) < num {
		*g = append(*g, make([]int64, tensor.ChunkLen))
	}
	for i, row := range (*g)[:num] {
		(*g)[i] = row[:n]
	}
	return (*g)[:num]
}
