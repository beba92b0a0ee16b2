package cpu

// This file holds products of matrices shared between threads.

import "lode/engine/kernel"

const (
	// tileRows keeps the ranges of a split at multiples of a matrix tile.
	tileRows = 24
	// stripeValues bounds the part of the right operand that is packed at a time.
	stripeValues = 1 << 22
	// stripeInner is what the inner dimension may be cut at without changing a bit:
	// sums run over blocks of that length (see kernel.Mul).
	stripeInner = 512
	// aloneValues of an operand are packed faster than a goroutine wakes.
	aloneValues = 1 << 15
	// A part of a product is at most so large: what is read of the left operand fits
	// the second-level cache.
	partRows, partCols = 240, 1024
	// Products of fewer multiply-adds, or over a shorter inner dimension, are not worth
	// packing for the unit that rounds to bf16, whose strips have so many rows.
	mixedWork, mixedInner, mixedRows = 1 << 16, 16, 32
	// Products of fewer multiply-adds are not worth a call of a library. Its parts have
	// one size, whatever the number of threads: a part may have other bits than the
	// whole.
	libraryWork              = 1 << 18
	libraryRows, libraryCols = 192, 1024
)

// multiply sets c = a·b, or adds it, with the bits of kernel.Mul and kernel.MulAdd
// unless operands are rounded or a library multiplies.
func (t *team) multiply(c, a, b kernel.View, add bool) {
	mixed := t.mixed && a.Cols >= mixedInner && c.Rows*c.Cols*a.Cols >= mixedWork
	switch {
	case t.library != nil && !mixed && c.Rows*c.Cols*a.Cols >= libraryWork:
		t.byLibrary(c, a, b, add)
		return
	case t.size > 1 || mixed:
	case add:
		kernel.MulAdd(c, a, b)
		return
	default:
		kernel.Mul(c, a, b)
		return
	}
	deep := min(b.Rows, max(stripeInner, stripeValues/max(b.Cols, 1)/stripeInner*stripeInner))
	wide := min(b.Cols, max(kernel.PanelCols, stripeValues/max(deep, 1)/kernel.PanelCols*kernel.PanelCols))
	for j := 0; j < b.Cols; j += wide {
		end := min(j+wide, b.Cols)
		for k := 0; k < b.Rows; k += deep {
			stop := min(k+deep, b.Rows)
			t.stripe(c.Columns(j, end), a.Columns(k, stop), b.Sub(k, stop).Columns(j, end), add || k > 0, mixed)
		}
	}
}

// byLibrary is multiply by a BLAS, with the bits of that.
func (t *team) byLibrary(c, a, b kernel.View, add bool) {
	down, across := (c.Rows+libraryRows-1)/libraryRows, (c.Cols+libraryCols-1)/libraryCols
	t.share(down*across, func(_, i int) {
		r, j := i%down*libraryRows, i/down*libraryCols
		end, stop := min(r+libraryRows, c.Rows), min(j+libraryCols, c.Cols)
		t.library.Mul(c.Sub(r, end).Columns(j, stop), a.Sub(r, end), b.Columns(j, stop), add)
	})
}

// stripe is multiply for a b that is packed whole.
func (t *team) stripe(c, a, b kernel.View, add, mixed bool) {
	var p kernel.Panels
	if mixed {
		p, t.pairs = kernel.NewMixedPanels(t.pairs, b.Rows, b.Cols)
	} else {
		p, t.panels = kernel.NewPanels(t.panels, b.Rows, b.Cols)
	}
	if b.Rows*b.Cols <= aloneValues {
		p.Fill(b, 0, b.Cols)
	} else {
		t.split(b.Cols, kernel.PanelCols, func(_, lo, hi int) { p.Fill(b, lo, hi) })
	}
	rows, cols := t.parts(c.Rows, c.Cols)
	if mixed {
		rows = (rows + mixedRows - 1) / mixedRows * mixedRows
	}
	down := (c.Rows + rows - 1) / rows
	t.share(down*((c.Cols+cols-1)/cols), func(_, i int) {
		r, j := i%down*rows, i/down*cols
		end, stop := min(r+rows, c.Rows), min(j+cols, c.Cols)
		kernel.MulPanels(c.Sub(r, end).Columns(j, stop), a.Sub(r, end), p.Columns(j, stop), add)
	})
}

// parts returns the rows and columns of a part of a product: few enough for every
// member to have some, many enough to be worth its start.
func (t *team) parts(n, m int) (rows, cols int) {
	up := func(x, unit int) int { return (x + unit - 1) / unit * unit }
	rows = min(partRows, up(max(2*tileRows, (n+partsEach*t.size-1)/(partsEach*t.size)), tileRows/2))
	cols = min(partCols, up(m, kernel.PanelCols))
	for cols > 2*kernel.PanelCols && ((n+rows-1)/rows)*((m+cols-1)/cols) < partsEach*t.size {
		cols = up(cols/2, kernel.PanelCols)
	}
	return rows, cols
}
