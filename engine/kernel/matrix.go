package kernel

// This file holds the product of matrices: blocking, packing and the walk over
// tiles. The arithmetic itself is in the tiles of the instruction set.
//
// The scheme is that of Goto and van de Geijn (ACM TOMS 34(3), 2008) with one
// change: only the right operand is packed, into panels as wide as a tile. The
// tiles read the left operand where it lies, with any steps, by broadcasting, so
// that products with a transposed left operand cost nothing extra.

import (
	"fmt"
	"sync"
)

// View is a matrix that lies somewhere in Data: element (i, j) is
// Data[i·RowStep + j·ColStep].
type View struct {
	Data             []float32
	Rows, Cols       int
	RowStep, ColStep int
}

// Dense returns data as a matrix whose rows follow each other.
func Dense(data []float32, rows, cols int) View {
	return View{Data: data, Rows: rows, Cols: cols, RowStep: cols, ColStep: 1}
}

// T returns the transpose of v over the same data.
func (v View) T() View {
	v.Rows, v.Cols, v.RowStep, v.ColStep = v.Cols, v.Rows, v.ColStep, v.RowStep
	return v
}

// Sub returns rows lo to hi of v over the same data.
func (v View) Sub(lo, hi int) View {
	if v.Data = v.Data[min(lo*v.RowStep, len(v.Data)):]; lo < 0 || hi < lo || hi > v.Rows {
		panic(fmt.Sprintf("kernel: rows %d to %d of %d", lo, hi, v.Rows))
	}
	v.Rows = hi - lo
	return v
}

// check panics unless all elements of v lie within its data.
func (v View) check(name string) {
	if v.Rows < 0 || v.Cols < 0 || v.RowStep < 0 || v.ColStep < 0 {
		panic(fmt.Sprintf("kernel: %s is %d×%d with steps %d, %d", name, v.Rows, v.Cols, v.RowStep, v.ColStep))
	}
	if v.Rows == 0 || v.Cols == 0 {
		return
	}
	if last := (v.Rows-1)*v.RowStep + (v.Cols-1)*v.ColStep; last >= len(v.Data) {
		panic(fmt.Sprintf("kernel: %s is %d×%d with steps %d, %d in %d values", name, v.Rows, v.Cols, v.RowStep, v.ColStep, len(v.Data)))
	}
}

// Mul sets c = a·b. The columns of c must follow each other (ColStep 1), and so
// must the rows or the columns of b; a may lie in any way. c must not overlap a
// or b. Every element of c is summed over the inner dimension in order, in
// blocks of 256, whatever the other sizes: a product cut into rows gives the
// same bits as the whole.
func Mul(c, a, b View) { multiply(active.tiles, c, a, b, false) }

// MulAdd sets c += a·b under the conditions of [Mul].
func MulAdd(c, a, b View) { multiply(active.tiles, c, a, b, true) }

const (
	blockInner = 256  // one panel of B, 256×32 values, fits the first-level cache
	blockCols  = 1024 // all panels of one block fit the second-level cache
	blockRows  = 240  // so do the rows of A that meet one panel
	directRows = 24   // up to here packing B costs more than it saves
	maxPanel   = 32   // columns of the widest tile
	maxTile    = 12   // rows of the tallest
)

// tileFunc computes one tile of C; see gen/matrix.go. Pointers into the three
// matrices, steps in elements; add is 0 or 1.
type tileFunc func(k int, a *float32, rowA, colA int, b *float32, rowB int, c *float32, rowC int, add int, mask uint32)

// tiles is the set of tiles of one instruction set, tallest first, the last of
// one row. nil means plain Go.
type tiles struct {
	cols    int
	masked  bool // tiles honour the mask, in B and C
	heights []int
	funcs   []tileFunc
	copy    func(n int, dst, src *float32, step int, mask uint32)           // nil: plain Go
	turn    func(n int, dst *float32, rowDst int, src *float32, rowSrc int) // nil: plain Go
}

type scratch struct {
	packed []float32
	edge   [maxTile * maxPanel]float32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func multiply(t *tiles, c, a, b View, add bool) {
	c.check("product")
	a.check("left operand")
	b.check("right operand")
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols || (c.ColStep != 1 && c.Cols > 1) {
		panic(fmt.Sprintf("kernel: %d×%d times %d×%d into %d×%d, column step %d", a.Rows, a.Cols, b.Rows, b.Cols, c.Rows, c.Cols, c.ColStep))
	}
	if b.RowStep != 1 && b.ColStep != 1 && b.Rows > 1 && b.Cols > 1 {
		panic("kernel: neither rows nor columns of the right operand follow each other")
	}
	if !add {
		if a.Cols == 0 {
			clearRows(c)
		}
	}
	if c.Rows == 0 || c.Cols == 0 || a.Cols == 0 {
		return
	}
	if t == nil {
		multiplyPlain(c, a, b, add)
		return
	}
	s := scratches.Get().(*scratch)
	for j := 0; j < c.Cols; j += blockCols {
		for k := 0; k < a.Cols; k += blockInner {
			t.block(s, c, a, b, extent{k: k, j: j, inner: min(blockInner, a.Cols-k), cols: min(blockCols, c.Cols-j), add: add || k > 0})
		}
	}
	scratches.Put(s)
}

func clearRows(c View) {
	for i := range c.Rows {
		clear(c.Data[i*c.RowStep:][:c.Cols])
	}
}

// extent is one block of B: rows k to k+inner, columns j to j+cols.
type extent struct {
	k, j, inner, cols int
	add               bool
}

// block adds the products of all rows of A with one block of B.
func (t *tiles) block(s *scratch, c, a, b View, e extent) {
	direct := t.masked && b.ColStep == 1 && a.Rows <= directRows
	if !direct {
		t.pack(s, b, e)
	}
	for i := 0; i < c.Rows; i += blockRows {
		rows := min(blockRows, c.Rows-i)
		for p := 0; p < e.cols; p += t.cols {
			w := min(t.cols, e.cols-p)
			from, step := s.packed[min(p*e.inner, len(s.packed)):], t.cols
			if direct {
				from, step = b.Data[e.k*b.RowStep+e.j+p:], b.RowStep
			}
			t.panel(s, c, a, e, panel{i, rows, e.j + p, w, &from[0], step})
		}
	}
}

// panel is the meeting of rows of A with one panel of B, w columns wide.
type panel struct {
	i, rows, j, w int
	b             *float32
	rowB          int
}

func (t *tiles) panel(s *scratch, c, a View, e extent, p panel) {
	mask := uint32(1)<<p.w - 1 // a full panel of 32 shifts to 0, less 1 is all ones
	add := 0
	if e.add {
		add = 1
	}
	i, end := p.i, p.i+p.rows
	for h, height := range t.heights {
		for ; i+height <= end; i += height {
			at := &a.Data[i*a.RowStep+e.k*a.ColStep]
			if t.masked || p.w == t.cols {
				t.funcs[h](e.inner, at, a.RowStep, a.ColStep, p.b, p.rowB, &c.Data[i*c.RowStep+p.j], c.RowStep, add, mask)
				continue
			}
			t.funcs[h](e.inner, at, a.RowStep, a.ColStep, p.b, p.rowB, &s.edge[0], maxPanel, 0, mask)
			storeEdge(c, s.edge[:], i, p, height, e.add)
		}
	}
}

// storeEdge moves a tile that is wider than what is left of C.
func storeEdge(c View, edge []float32, i int, p panel, height int, add bool) {
	for r := range height {
		dst, src := c.Data[(i+r)*c.RowStep+p.j:][:p.w], edge[r*maxPanel:][:p.w]
		if !add {
			copy(dst, src)
			continue
		}
		for x, v := range src {
			dst[x] += v
		}
	}
}

// pack copies one block of B into panels: panel after panel, row after row,
// t.cols values each, zero where B has no more columns.
func (t *tiles) pack(s *scratch, b View, e extent) {
	panels := (e.cols + t.cols - 1) / t.cols
	if need := panels * t.cols * e.inner; cap(s.packed) < need {
		s.packed = make([]float32, need)
	}
	s.packed = s.packed[:cap(s.packed)]
	for p := range panels {
		w := min(t.cols, e.cols-p*t.cols)
		dst := s.packed[p*t.cols*e.inner:][:t.cols*e.inner]
		src := View{
			Data: b.Data[e.k*b.RowStep+(e.j+p*t.cols)*b.ColStep:],
			Rows: e.inner, Cols: w, RowStep: b.RowStep, ColStep: b.ColStep,
		}
		if b.ColStep == 1 {
			t.packRows(dst, src)
		} else {
			t.packColumns(dst, src)
		}
	}
}

func (t *tiles) packRows(dst []float32, src View) {
	if t.copy != nil {
		t.copy(src.Rows, &dst[0], &src.Data[0], src.RowStep, uint32(1)<<src.Cols-1)
		return
	}
	for k := range src.Rows {
		d := dst[k*t.cols:][:t.cols]
		copy(d, src.Data[k*src.RowStep:][:src.Cols])
		clear(d[src.Cols:])
	}
}

// packColumns packs a panel whose columns follow themselves (RowStep 1).
func (t *tiles) packColumns(dst []float32, src View) {
	wide, deep := 0, 0
	if t.turn != nil {
		wide, deep = src.Cols&^7, src.Rows&^7
	}
	for j := 0; j < wide && deep > 0; j += 8 {
		t.turn(deep/8, &dst[j], t.cols, &src.Data[j*src.ColStep], src.ColStep)
	}
	for j := range src.Cols {
		from := 0
		if j < wide {
			from = deep
		}
		for k := from; k < src.Rows; k++ {
			dst[k*t.cols+j] = src.Data[j*src.ColStep+k]
		}
	}
	if src.Cols < t.cols {
		for k := range src.Rows {
			clear(dst[k*t.cols+src.Cols : (k+1)*t.cols])
		}
	}
}
