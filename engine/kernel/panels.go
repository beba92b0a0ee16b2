package kernel

// This file holds packed operands: the right one in panels as wide as a tile, the
// left one in strips as high as a tile.

import "fmt"

// PanelCols is the number of columns at whose multiples Panels may be cut.
const PanelCols = maxPanel

// Panels is a right operand in the order in which tiles read it, for products that
// share it: packed once, in parts by several goroutines, then read by all of them.
type Panels struct {
	Rows, Cols int
	data       []float32
	deep, wide int // rows and columns of all panels
	top, from  int // first row and column

	mixer *mixer   // nil unless values are rounded to bf16
	pairs []uint32 // those values, see mixed.go
}

// NewPanels returns panels for a matrix of that size, in buf if it is large enough,
// and the memory they lie in. Fill them before use.
func NewPanels(buf []float32, rows, cols int) (Panels, []float32) {
	return newPanels(active.tiles, buf, rows, cols)
}

func newPanels(t *tiles, buf []float32, rows, cols int) (Panels, []float32) {
	wide := (cols + t.cols - 1) / t.cols * t.cols
	if cap(buf) < rows*wide {
		buf = make([]float32, rows*wide)
	}
	buf = buf[:cap(buf)]
	return Panels{Rows: rows, Cols: cols, data: buf[:rows*wide], deep: rows, wide: wide}, buf
}

// Fill packs columns lo to hi of b, whose rows or columns must follow each other.
// Both are multiples of PanelCols, or hi is the last.
func (p Panels) Fill(b View, lo, hi int) { p.fill(active.tiles, b, lo, hi) }

func (p Panels) fill(t *tiles, b View, lo, hi int) {
	b.checkRight()
	if b.Rows != p.Rows || b.Cols != p.Cols || p.from != 0 || p.Rows != p.deep || (hi%PanelCols != 0 && hi != p.Cols) {
		panic(fmt.Sprintf("kernel: columns %d to %d of %d×%d into panels of %d×%d", lo, hi, b.Rows, b.Cols, p.Rows, p.Cols))
	}
	p.cut("columns", lo, hi, p.Cols, PanelCols)
	if p.mixer != nil {
		p.fillMixed(b, lo, hi)
		return
	}
	for k := 0; k < p.Rows && lo < hi; k += blockInner {
		e := extent{k: k, j: lo, inner: min(blockInner, p.Rows-k), cols: hi - lo}
		t.pack(p.data[k*p.wide+lo*e.inner:], b, e)
	}
}

// Columns returns columns lo to hi; lo is a multiple of PanelCols.
func (p Panels) Columns(lo, hi int) Panels {
	p.cut("columns", lo, hi, p.Cols, PanelCols)
	p.from, p.Cols = p.from+lo, hi-lo
	return p
}

// Sub returns rows lo to hi; lo is a multiple of 512.
func (p Panels) Sub(lo, hi int) Panels {
	p.cut("rows", lo, hi, p.Rows, mixedInner)
	p.top, p.Rows = p.top+lo, hi-lo
	return p
}

func (p Panels) cut(what string, lo, hi, most, unit int) {
	if lo < 0 || hi < lo || hi > most || lo%unit != 0 {
		panic(fmt.Sprintf("kernel: %s %d to %d of panels with %d, cut at multiples of %d", what, lo, hi, most, unit))
	}
}

// block returns where the block of rows from k on and columns from j on lies.
func (p Panels) block(t *tiles, k, j int) right {
	k, j = p.top+k, p.from+j
	inner := min(blockInner, p.deep-k)
	return right{p.data[k*p.wide+j*inner:], t.cols, t.cols * inner}
}

// checkRight panics unless v may be a right operand.
func (v View) checkRight() {
	v.check("right operand")
	if v.RowStep != 1 && v.ColStep != 1 && v.Rows > 1 && v.Cols > 1 {
		panic("kernel: neither rows nor columns of the right operand follow each other")
	}
}

// packLeft copies part of A into strips as high as the tiles that will read them,
// column after column.
func (t *tiles) packLeft(dst []float32, a View) {
	r := 0
	for h, height := range t.heights {
		n := (a.Rows - r) / height
		if n == 0 {
			continue
		}
		if h == 0 && t.tall != nil && a.RowStep == 1 {
			for k := range a.Cols {
				t.tall(n, &dst[k*height], height*a.Cols, &a.Data[k*a.ColStep])
			}
			r = n * height
			continue
		}
		for ; r+height <= a.Rows; r += height {
			for i := range height {
				packRow(dst[r*a.Cols+i:], height, a.Data[(r+i)*a.RowStep:], a.ColStep, a.Cols)
			}
		}
	}
}

// packRow copies n values, so far apart.
func packRow(dst []float32, stepDst int, src []float32, stepSrc, n int) {
	for k := range n {
		dst[k*stepDst] = src[k*stepSrc]
	}
}

// pack copies one block of B into panels: panel after panel, row after row,
// t.cols values each, zero where B has no more columns.
func (t *tiles) pack(to []float32, b View, e extent) {
	for p := 0; p < e.cols; p += t.cols {
		dst := to[p*e.inner:][:t.cols*e.inner]
		src := View{
			Data: b.Data[e.k*b.RowStep+(e.j+p)*b.ColStep:],
			Rows: e.inner, Cols: min(t.cols, e.cols-p), RowStep: b.RowStep, ColStep: b.ColStep,
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
