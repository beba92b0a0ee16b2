package yuma

// This file holds what both bond rules share: old bonds, pairs, storing.

// pair is what one validator holds on one target before a step.
type pair struct {
	col      int32
	listed   bool // the validator's row has an entry for the target
	new, old Q32
}

// dateBonds finds the targets that took their uid since the last epoch.
func (w *Workspace) dateBonds() {
	last := w.s.LastStep + 1
	if w.s.LastStep == 0 {
		last = w.s.Block - min(w.s.Block, w.p.Tempo)
	}
	for j := range w.s.Neurons {
		w.freshUID[j] = last <= w.s.Neurons[j].Registered
	}
}

// pairUp merges a row of weights with a row of bonds, both sorted, and leaves out
// old bonds on targets that are new. Values of old are the stored integers.
func (w *Workspace) pairUp(weights []cell, bonds []Entry) []pair {
	out := w.paired[:0]
	k := 0
	for _, e := range bonds {
		if w.freshUID[e.UID] {
			continue
		}
		col := int32(e.UID)
		for ; k < len(weights) && weights[k].col < col; k++ {
			out = append(out, pair{col: weights[k].col, listed: true, new: weights[k].val})
		}
		p := pair{col: col, old: Q32(e.Value)}
		if k < len(weights) && weights[k].col == col {
			p.listed, p.new = true, weights[k].val
			k++
		}
		out = append(out, p)
	}
	for _, c := range weights[k:] {
		out = append(out, pair{col: c.col, listed: true, new: c.val})
	}
	w.paired = out
	return out
}

// store quantises the bonds of those who hold a new permit; scale maps a bond to
// [0, 1].
func (w *Workspace) store(scale func(cell) Q32) {
	w.arena = w.arena[:0]
	if cap(w.arena) < len(w.bonds.cells) {
		w.arena = make([]Entry, 0, len(w.bonds.cells)) // rows point into it: it must not move
	}
	for i, permit := range w.r.Permits {
		if !permit {
			continue
		}
		start := len(w.arena)
		for _, c := range w.bonds.row(i) {
			if v := scale(c).Uint16(); v > 0 {
				w.arena = append(w.arena, Entry{uint16(c.col), v})
			}
		}
		w.r.Bonds[i] = w.arena[start:len(w.arena):len(w.arena)]
	}
}
