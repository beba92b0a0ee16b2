package yuma

// This file holds the weights: which entries count, how far each may go, and what
// the targets earn by them.

// maskWeights takes over the rows of permitted validators without the entries that
// do not count, each divided by its sum. Explicit zeros stay.
func (w *Workspace) maskWeights() {
	m := &w.weights
	m.reset()
	for i := range w.s.Neurons {
		if w.mayVote(i) {
			w.maskRow(m, i)
		}
		m.endRow()
	}
}

func (w *Workspace) maskRow(m *sparse, i int) {
	start := len(m.cells)
	var total uint64
	for _, e := range w.s.Neurons[i].Weights {
		if w.weightCounts(i, int(e.UID)) {
			total += uint64(e.Value)
			m.add(int32(e.UID), Q32(e.Value))
		}
	}
	if total == 0 {
		return // only zeros, which need no division
	}
	votes := w.r.ActiveStake[i] > 0
	row := m.cells[start:]
	for k, c := range row {
		row[k].val = Q32(uint64(c.val) << 32 / total)
		if votes && c.val > 0 {
			w.colEnd[c.col]++
		}
	}
}

// weightCounts reports whether validator i may weigh target j: not itself unless
// it is the owner's, nobody who came at or after its weights, and with
// commit-reveal nobody who came after its oldest open commit.
func (w *Workspace) weightCounts(i, j int) bool {
	from, to := &w.s.Neurons[i], &w.s.Neurons[j]
	switch {
	case i == j && !from.Owner:
		return false
	case from.LastUpdate <= to.Registered:
		return false
	case w.p.CommitReveal && from.HasCommit && from.Commit < to.Registered:
		return false
	}
	return true
}

// rank sums the weights by stake, each cut to the consensus on its target: stated
// they are the prerank, clipped the rank. Validator trust is what clipping leaves of
// a row, incentive is normalised rank.
func (w *Workspace) rank() {
	r := &w.r
	for i, a := range r.ActiveStake {
		var trust Q32
		for _, c := range w.weights.row(i) {
			clipped := min(c.val, r.Consensus[c.col])
			trust += clipped
			r.Rank[c.col] += mulPart(a, clipped)
			w.prerank[c.col] += mulPart(a, c.val)
		}
		r.ValidatorTrust[i] = trust
	}
	for j, x := range r.Rank {
		r.Trust[j] = quo(x, w.prerank[j])
	}
	copy(r.Incentive, r.Rank)
	normalize(r.Incentive, sum(r.Incentive))
}

// bondRow returns the weights that bonds of validator i grow by, valid until the
// next call: clipped as far as the penalty says. An entry above a zero consensus is
// left out where all is clipped; between the extremes explicit zeros vanish too.
func (w *Workspace) bondRow(i int) []cell {
	row := w.weights.row(i)
	if w.p.BondsPenalty == 0 {
		return row
	}
	beta, all := Proportion(w.p.BondsPenalty), w.p.BondsPenalty == full
	out := w.bondCells[:0]
	for _, c := range row {
		clipped := min(c.val, w.r.Consensus[c.col])
		if all {
			if clipped > 0 || c.val == 0 {
				out = append(out, cell{c.col, clipped})
			}
		} else if v := c.val + mul(beta, clipped-c.val); v > 0 {
			out = append(out, cell{c.col, v})
		}
	}
	w.bondCells = out
	return out
}
