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
	row := m.cells[start:]
	for k := range row {
		row[k].val = Q32(uint64(row[k].val) << 32 / total)
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

// clip cuts every weight to the consensus on its target; an entry above a zero
// consensus is left out. Validator trust is what remains of a row.
func (w *Workspace) clip() {
	m := &w.clipped
	m.reset()
	for i := range w.s.Neurons {
		var trust Q32
		for _, c := range w.weights.row(i) {
			limit := w.r.Consensus[c.col]
			if c.val > limit {
				if limit == 0 {
					continue
				}
				c.val = limit
			}
			m.cells = append(m.cells, c)
			trust += c.val
		}
		m.endRow()
		w.r.ValidatorTrust[i] = trust
	}
}

// rank sums the clipped weights by stake. Incentive is normalised rank.
func (w *Workspace) rank() {
	r := &w.r
	for i, a := range r.ActiveStake {
		if a == 0 {
			continue
		}
		for _, c := range w.clipped.row(i) {
			r.Rank[c.col] += mulPart(a, c.val)
		}
		for _, c := range w.weights.row(i) {
			w.prerank[c.col] += mulPart(a, c.val)
		}
	}
	for j, x := range r.Rank {
		r.Trust[j] = quo(x, w.prerank[j])
	}
	copy(r.Incentive, r.Rank)
	normalize(r.Incentive, sum(r.Incentive))
}

// bondWeights returns the weights that bonds grow by: clipped as far as the
// penalty says. Between the extremes explicit zeros vanish.
func (w *Workspace) bondWeights() *sparse {
	switch w.p.BondsPenalty {
	case 0:
		return &w.weights
	case full:
		return &w.clipped
	}
	beta := Proportion(w.p.BondsPenalty)
	m := &w.penalty
	m.reset()
	for i := range w.s.Neurons {
		for _, c := range w.weights.row(i) {
			c.val += mul(beta, min(c.val, w.r.Consensus[c.col])-c.val)
			if c.val > 0 {
				m.cells = append(m.cells, c)
			}
		}
		m.endRow()
	}
	return m
}
