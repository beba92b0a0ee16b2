package yuma

// This file holds the bonds of Yuma 2: shares of a column, averaged over epochs.

// bondShares sets bonds and dividends by Yuma 2.
func (w *Workspace) bondShares() {
	w.dateBonds()
	w.averageShares()
	w.payShares()
	w.store(func(c cell) Q32 { return quo(c.val, w.colMax[c.col]) })
}

// averageShares mixes this epoch's purchases, stake times weight, with the old
// bonds, both as shares of their column.
func (w *Workspace) averageShares() {
	bought, held := w.colSum, w.colSum2
	for i := range w.s.Neurons {
		a := w.r.ActiveStake[i]
		for _, c := range w.bondRow(i) {
			bought[c.col] += mulPart(a, c.val)
		}
		for _, e := range w.s.Neurons[i].Bonds {
			if !w.freshUID[e.UID] {
				held[e.UID] += Q32(e.Value)
			}
		}
	}
	take := w.p.newShare()
	w.bonds.reset()
	for i := range w.s.Neurons {
		a := w.r.ActiveStake[i]
		for _, p := range w.pairUp(w.bondRow(i), w.s.Neurons[i].Bonds) {
			b := mulPart(take, quo(mulPart(a, p.new), bought[p.col])) +
				mulPart(one-take, quo(p.old, held[p.col]))
			if b > 0 {
				w.bonds.add(p.col, b)
			}
		}
		w.bonds.endRow()
	}
}

// payShares makes every column sum to one and pays each share of a target's
// incentive; it notes the largest share of a column for storing.
func (w *Workspace) payShares() {
	total := w.colSum
	clear(total)
	for _, c := range w.bonds.cells {
		total[c.col] += c.val
	}
	for i := range w.s.Neurons {
		row := w.bonds.row(i)
		var paid Q32
		for k, c := range row {
			b := quo(c.val, total[c.col])
			row[k].val = b
			w.colMax[c.col] = max(w.colMax[c.col], b)
			paid += mulPart(b, w.r.Incentive[c.col])
		}
		w.r.Dividends[i] = paid
	}
	normalize(w.r.Dividends, sum(w.r.Dividends))
}
