package kernel

// This file holds products whose operands are rounded to bf16 (the upper half of a
// float32, to nearest even) and whose sums are float32, as AMX computes them: mixed
// precision.
//
// Both operands are packed into tiles of 16 rows of 16 pairs, a pair being two
// values that follow each other in the inner dimension: a tile of the left operand has
// 16 of its rows, one of the right operand the pairs of 16 of its columns, pair after
// pair. Two tiles side by side, over 32 of the inner dimension, are a step; all steps
// of a block are a strip of 32 rows or a panel of 32 columns.

import "sync"

const (
	tileSide   = 16
	stepDeep   = 2 * tileSide            // of the inner dimension
	stepWide   = 2 * tileSide            // rows of a strip, columns of a panel
	stepPairs  = 2 * tileSide * tileSide // pairs of a step
	mixedInner = 512                     // of a block: a panel fits the first-level cache
	mixedRows  = 256                     // and the strips that meet it the second
)

// mixer is what computes in bf16.
type mixer struct {
	// strips sets, or adds to, strips of C, 32×32 each and one below the other.
	strips func(strips, steps int, a, b *uint32, c *float32, rowC int, add int)
	// along makes a tile of 16 rows of 32 values, across of 32 rows of 16 values, which
	// are step apart; turn makes of either what the other would have made.
	along, across func(dst *uint32, src *float32, step int)
	turn          func(tile *uint32)
}

// HasMixed tells whether this processor computes products in bf16 faster than in
// float32.
func HasMixed() bool { return active.mixed != nil }

// NewMixedPanels is NewPanels for products whose operands are rounded to bf16. There
// must be a unit for that: see HasMixed.
func NewMixedPanels(buf []uint32, rows, cols int) (Panels, []uint32) {
	return newMixedPanels(active.mixed, buf, rows, cols)
}

func newMixedPanels(m *mixer, buf []uint32, rows, cols int) (Panels, []uint32) {
	steps, wide := (rows+stepDeep-1)/stepDeep, (cols+stepWide-1)/stepWide
	n := steps * wide * stepPairs
	if cap(buf) < n {
		buf = make([]uint32, n)
	}
	buf = buf[:cap(buf)]
	return Panels{Rows: rows, Cols: cols, deep: rows, wide: wide, mixer: m, pairs: buf[:n]}, buf
}

// mixedBlock returns the pairs from row k, a multiple of mixedInner, and column j on,
// and how many steps their panels have.
func (p Panels) mixedBlock(k, j int) (pairs []uint32, steps int) {
	k, j = p.top+k, p.from+j
	steps = (min(mixedInner, p.deep-k) + stepDeep - 1) / stepDeep
	return p.pairs[(k/stepDeep*p.wide+j/stepWide*steps)*stepPairs:], steps
}

func (p Panels) fillMixed(b View, lo, hi int) {
	for k := 0; k < p.Rows; k += mixedInner {
		for j := lo; j < hi; j += stepWide {
			pairs, steps := p.mixedBlock(k, j)
			p.mixer.pack(pairs[:steps*stepPairs], b.T(), j, k, true)
		}
	}
}

// pack makes strips of v from row i and column k on. A panel is a strip of the
// transpose, with tiles that lie the other way.
func (m *mixer) pack(dst []uint32, v View, i, k int, panel bool) {
	for at := 0; at < len(dst); at += stepPairs {
		for half := range 2 {
			tile := dst[at+half*stepPairs/2:][:stepPairs/2]
			m.tile(tile, v, i+half*tileSide, k+at/stepPairs*stepDeep, panel)
		}
	}
}

// tile packs 16 rows and 32 columns of v, zeros where it has less.
func (m *mixer) tile(dst []uint32, v View, i, k int, panel bool) {
	rows, cols := min(tileSide, v.Rows-i), min(stepDeep, v.Cols-k)
	switch {
	case rows <= 0 || cols <= 0:
		clear(dst)
		return
	case rows < tileSide || cols < stepDeep:
		v, i, k = edgeTile(v, i, k, rows, cols), 0, 0
	}
	data, along := &v.Data[i*v.RowStep+k*v.ColStep], v.ColStep == 1
	if along {
		m.along(&dst[0], data, v.RowStep)
	} else {
		m.across(&dst[0], data, v.ColStep)
	}
	if along == panel {
		m.turn(&dst[0])
	}
}

// edgeTile copies what there is of a tile, among zeros.
func edgeTile(v View, i, k, rows, cols int) View {
	edge := Dense(make([]float32, tileSide*stepDeep), tileSide, stepDeep)
	for r := range rows {
		for c := range cols {
			edge.Data[r*stepDeep+c] = v.Data[(i+r)*v.RowStep+(k+c)*v.ColStep]
		}
	}
	return edge
}

type mixedScratch struct {
	left []uint32
	edge [stepWide * stepWide]float32
}

var mixedScratches = sync.Pool{New: func() any {
	return &mixedScratch{left: make([]uint32, mixedRows*mixedInner/2)}
}}

// multiplyMixed is multiplyPanels for mixed panels.
func multiplyMixed(c, a View, p Panels, add bool) {
	s := mixedScratches.Get().(*mixedScratch)
	defer mixedScratches.Put(s)
	for i := 0; i < c.Rows; i += mixedRows {
		for k := 0; k < a.Cols; k += mixedInner {
			steps := (min(mixedInner, a.Cols-k) + stepDeep - 1) / stepDeep
			rows := a.Sub(i, min(i+mixedRows, a.Rows)).Columns(k, min(k+mixedInner, a.Cols))
			for r := 0; r < rows.Rows; r += stepWide {
				p.mixer.pack(s.left[r/stepWide*steps*stepPairs:][:steps*stepPairs], rows, r, 0, false)
			}
			for j := 0; j < c.Cols; j += stepWide {
				s.panel(c.Sub(i, i+rows.Rows).Columns(j, min(j+stepWide, c.Cols)), p, k, j, steps, add || k > 0)
			}
		}
	}
}

// panel multiplies the strips that are packed with one panel into c.
func (s *mixedScratch) panel(c View, p Panels, k, j, steps int, add bool) {
	pairs, _ := p.mixedBlock(k, j)
	whole, more := 0, 0
	if add {
		more = 1
	}
	if whole = c.Rows / stepWide; whole > 0 && c.Cols == stepWide {
		p.mixer.strips(whole, steps, &s.left[0], &pairs[0], &c.Data[0], c.RowStep, more)
	} else {
		whole = 0
	}
	for r := whole * stepWide; r < c.Rows; r += stepWide {
		edge := View{Data: s.edge[:], Rows: min(stepWide, c.Rows-r), Cols: c.Cols, RowStep: stepWide, ColStep: 1}
		part := c.Sub(r, r+edge.Rows)
		if add { // first, as the tiles do
			copyRows(edge, part)
		}
		p.mixer.strips(1, steps, &s.left[r/stepWide*steps*stepPairs], &pairs[0], &s.edge[0], stepWide, more)
		copyRows(part, edge)
	}
}

func copyRows(dst, src View) {
	for i := range dst.Rows {
		copy(dst.Data[i*dst.RowStep:][:dst.Cols], src.Data[i*src.RowStep:])
	}
}
