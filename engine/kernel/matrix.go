package kernel

// This file holds the product of matrices: blocking and the walk over tiles. The
// arithmetic itself is in the tiles of the instruction set.
//
// The scheme is that of Goto and van de Geijn (ACM TOMS 34(3), 2008) with one
// change: a left operand whose values follow each other in a row is not packed; the
// tiles read it where it lies, by broadcasting.

import (
	"fmt"
	"sync"
)

// Mul sets c = a·b. The columns of c must follow each other (ColStep 1), and so
// must the rows or the columns of a and of b. c must not overlap a or b. Every element of c is summed over the inner dimension in order, in
// blocks of 256, whatever the other sizes: a product cut into rows or columns
// gives the same bits as the whole.
func Mul(c, a, b View) { multiply(active.tiles, c, a, b, false) }

// MulAdd sets c += a·b under the conditions of [Mul].
func MulAdd(c, a, b View) { multiply(active.tiles, c, a, b, true) }

// MulPanels sets c = a·b, or adds it to c, as [Mul] and [MulAdd] do to the bit; with
// mixed panels, of a and b rounded to bf16.
func MulPanels(c, a View, b Panels, add bool) { multiplyPanels(active.tiles, c, a, b, add) }

const (
	blockInner = 256  // one panel of B, 256×32 values, fits the first-level cache
	blockCols  = 1024 // all panels of one block fit the second-level cache
	blockRows  = 240  // so do the rows of A that meet one panel
	directRows = 48   // up to here packing B costs more than it saves
	maxPanel   = 32   // columns of the widest tile
	maxTile    = 12   // rows of the tallest
)

// tileFunc computes one tile of C; see gen/matrix.go. Pointers into the three
// matrices, steps in elements; add is 0 or 1; ahead is memory that will be read
// soon, of any length.
type tileFunc func(k int, a *float32, rowA int, b *float32, rowB int, c *float32, rowC int, add int, mask uint32, ahead *float32)

// tiles is the set of tiles of one instruction set, tallest first, the last of
// one row.
type tiles struct {
	cols    int
	masked  bool // tiles honour the mask
	heights []int
	rows    []tileFunc // A lies row after row; nil if it is to be packed
	packed  []tileFunc // A lies column after column, as high as the tile
	// What packs; plain Go where nil.
	tall func(n int, dst *float32, step int, src *float32)               // strips of the tallest tile
	copy func(n int, dst, src *float32, step int, mask uint32)           // rows of a panel
	turn func(n int, dst *float32, rowDst int, src *float32, rowSrc int) // squares of 8×8
}

type scratch struct {
	left, right []float32
	edge        [maxTile * maxPanel]float32
}

var scratches = sync.Pool{New: func() any {
	return &scratch{left: make([]float32, blockRows*blockInner)}
}}

// Check panics unless Mul takes those matrices.
func Check(c, a, b View) {
	fits(c, a, b.Rows, b.Cols)
	b.checkRight()
}

// fits panics unless c = a·b has those sizes.
func fits(c, a View, rows, cols int) {
	c.check("product")
	a.check("left operand")
	if a.Cols != rows || c.Rows != a.Rows || c.Cols != cols || (c.ColStep != 1 && c.Cols > 1) {
		panic(fmt.Sprintf("kernel: %d×%d times %d×%d into %d×%d, column step %d", a.Rows, a.Cols, rows, cols, c.Rows, c.Cols, c.ColStep))
	}
	if a.RowStep != 1 && a.ColStep != 1 && a.Rows > 1 && a.Cols > 1 {
		panic("kernel: neither rows nor columns of the left operand follow each other")
	}
}

func multiply(t *tiles, c, a, b View, add bool) {
	Check(c, a, b)
	if empty(c, a, add) {
		return
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for j := 0; j < c.Cols; j += blockCols {
		for k := 0; k < a.Cols; k += blockInner {
			e := extent{k: k, j: j, inner: min(blockInner, a.Cols-k), cols: min(blockCols, c.Cols-j), add: add || k > 0}
			if b.ColStep == 1 && a.Rows <= directRows && c.Cols%t.cols == 0 && t.rows != nil {
				t.block(s, c, a, e, right{b.Data[k*b.RowStep+j:], b.RowStep, t.cols})
				continue
			}
			if need := (e.cols + t.cols - 1) / t.cols * t.cols * e.inner; cap(s.right) < need {
				s.right = make([]float32, need)
			}
			s.right = s.right[:cap(s.right)]
			t.pack(s.right, b, e)
			t.block(s, c, a, e, right{s.right, t.cols, t.cols * e.inner})
		}
	}
}

// empty tells whether there is nothing to multiply, and does what is left then.
func empty(c, a View, add bool) bool {
	if !add && a.Cols == 0 {
		clearRows(c)
	}
	return c.Rows == 0 || c.Cols == 0 || a.Cols == 0
}

func clearRows(c View) {
	for i := range c.Rows {
		clear(c.Data[i*c.RowStep:][:c.Cols])
	}
}

// multiplyPanels is multiply where B is packed.
func multiplyPanels(t *tiles, c, a View, b Panels, add bool) {
	fits(c, a, b.Rows, b.Cols)
	if empty(c, a, add) {
		return
	}
	if b.mixer != nil {
		multiplyMixed(c, a, b, add)
		return
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for j := 0; j < c.Cols; j += blockCols {
		for k := 0; k < a.Cols; k += blockInner {
			e := extent{k: k, j: j, inner: min(blockInner, a.Cols-k), cols: min(blockCols, c.Cols-j), add: add || k > 0}
			t.block(s, c, a, e, b.block(t, k, j))
		}
	}
}

// extent is one block of B: rows k to k+inner, columns j to j+cols.
type extent struct {
	k, j, inner, cols int
	add               bool
}

// right is where one block of B lies: its rows, and its panels, so far apart.
type right struct {
	data        []float32
	row, panels int
}

// block adds the products of all rows of A with one block of B.
func (t *tiles) block(s *scratch, c, a View, e extent, b right) {
	for i := 0; i < c.Rows; i += blockRows {
		l := t.left(s, a, i, min(blockRows, c.Rows-i), e)
		for p := 0; p < e.cols; p += t.cols {
			at := p / t.cols * b.panels
			next := b.data[min(at+b.panels, len(b.data)-1):]
			t.panel(s, c, l, e, panel{i, e.j + p, min(t.cols, e.cols-p), &b.data[at], b.row, next})
		}
	}
}

// left is the rows of A that meet one block of B.
type left struct {
	data   []float32
	rows   int
	step   int // from row to row; unless packed
	packed bool
}

// left returns rows of A from i on, packed if need be.
func (t *tiles) left(s *scratch, a View, i, rows int, e extent) left {
	at := a.Data[i*a.RowStep+e.k*a.ColStep:]
	if a.ColStep == 1 && t.rows != nil {
		return left{at, rows, a.RowStep, false}
	}
	t.packLeft(s.left, View{Data: at, Rows: rows, Cols: e.inner, RowStep: a.RowStep, ColStep: a.ColStep})
	return left{s.left, rows, 0, true}
}

// panel is the meeting of rows of A, from row i of C on, with one panel of B, w
// columns wide.
type panel struct {
	i, j, w int
	b       *float32
	rowB    int
	next    []float32 // panel after this one
}

func (t *tiles) panel(s *scratch, c View, l left, e extent, p panel) {
	mask := uint32(1)<<p.w - 1 // a full panel of 32 shifts to 0, less 1 is all ones
	add, funcs, width := 0, t.rows, l.step
	if e.add {
		add = 1
	}
	if l.packed {
		funcs, width = t.packed, e.inner
	}
	r := 0
	for h, height := range t.heights {
		for ; r+height <= l.rows; r += height {
			at, i := &l.data[r*width], p.i+r
			ahead := &p.next[min(4*r*e.inner/height, len(p.next)-1)]
			if t.masked || p.w == t.cols {
				funcs[h](e.inner, at, l.step, p.b, p.rowB, &c.Data[i*c.RowStep+p.j], c.RowStep, add, mask, ahead)
				continue
			}
			funcs[h](e.inner, at, l.step, p.b, p.rowB, &s.edge[0], maxPanel, 0, mask, ahead)
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
