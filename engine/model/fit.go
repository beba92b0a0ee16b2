package model

// This file holds the choice of how to work where memory is short.

import "math"

// Demand is what is asked of a machine's memory.
type Demand struct {
	Loads   []Load
	Muon    bool
	Engines int   // that each take all loads, at least 1
	Beside  int64 // bytes that are held beside engines
}

// Fit returns the first way to do w within so many bytes, and what it takes: as it is;
// with values computed again, which changes no bit; and then in ever smaller parts of a
// batch, which changes the gradient's last bits. If none fits, what is returned is what
// takes least, and ok is false. Where w says already how many rows or what is
// computed again, that stays.
func (t *Trace) Fit(d Demand, w Work, limit int64) (_ Work, bytes int64, ok bool) {
	w.Loads, w.Muon = d.Loads, d.Muon
	least, bytes := w, d.bytes(t.Account(w))
	try := func(next Work) bool {
		if n := d.bytes(t.Account(next)); n < bytes {
			least, bytes = next, n
		}
		return bytes <= limit
	}
	if bytes <= limit {
		return least, bytes, true
	}
	if w.Recompute = true; try(w) || w.MicroRows > 0 {
		return least, bytes, bytes <= limit
	}
	w.Recompute = least.Recompute
	for rows := w.most(); rows > 1; {
		rows = (rows + 1) / 2
		if w.MicroRows = rows; try(w) {
			return least, bytes, true
		}
	}
	return least, bytes, false
}

// bytes returns what all engines hold, and what is held beside; at most what an int64 can.
func (d Demand) bytes(a Account) int64 {
	n := int64(max(1, d.Engines))
	if a.Total() > (math.MaxInt64-d.Beside)/n {
		return math.MaxInt64
	}
	return n*a.Total() + d.Beside
}

// most returns the rows of the largest batch.
func (w Work) most() (rows int) {
	for _, l := range w.Loads {
		rows = max(rows, l.Rows)
	}
	return rows
}
