package study

// This file holds the epoch of package yuma over again, straightforwardly: full
// matrices of float64. It is the slow twin that the integers are compared with, in
// what they give and in what they cost.

import (
	"cmp"
	"math"
	"slices"

	"lode/yuma"
)

// DenseResult is what [Dense] computes of an epoch, by uid.
type DenseResult struct {
	ActiveStake, Consensus, Incentive, Dividends []float64
}

// Dense computes an epoch with the permits in the state, where liquid bonds without
// weight decay (yuma.Params.LiquidDecaysAbsent). Before integers are stored it
// differs from the epoch by rounding alone. The state must be one that the epoch
// takes.
func Dense(p yuma.Params, s yuma.State) DenseResult {
	d := dense{p: p, s: s, n: len(s.Neurons)}
	for i, nn := range s.Neurons {
		if len(nn.Weights)+len(nn.Bonds) > 0 {
			d.rows = append(d.rows, i)
		}
	}
	if d.n == 0 || len(d.rows) == 0 {
		zeros := make([]float64, d.n)
		return DenseResult{d.activeStake(), zeros, zeros, zeros}
	}
	active := d.activeStake()
	w := d.weights()
	r := DenseResult{ActiveStake: active, Consensus: d.consensus(active, w), Dividends: make([]float64, d.n)}
	clipped := clip(w, r.Consensus)
	own := make([]float64, len(d.rows)) // active stake by row
	for k, i := range d.rows {
		own[k] = active[i]
	}
	r.Incentive = normalized(stakeSum(own, clipped))
	for k, x := range d.dividends(own, w, clipped, r) {
		r.Dividends[d.rows[k]] = x
	}
	return r
}

// dense has matrices with a row for each neuron that has weights or bonds.
type dense struct {
	p    yuma.Params
	s    yuma.State
	n    int
	rows []int // uids
}

func (d dense) mayVote(i int) bool { return d.s.Neurons[i].Permit || d.s.Neurons[i].Owner }

func (d dense) activeStake() []float64 {
	stake := make([]float64, d.n)
	for i, nn := range d.s.Neurons {
		if nn.Stake >= d.p.StakeThreshold || nn.Owner {
			stake[i] = float64(nn.Stake)
		}
	}
	stake = normalized(stake)
	for i, nn := range d.s.Neurons {
		if !d.mayVote(i) || nn.LastUpdate+d.p.ActivityCutoff < d.s.Block {
			stake[i] = 0
		}
	}
	return normalized(stake)
}

func (d dense) weights() matrix {
	m := newMatrix(len(d.rows), d.n)
	for k, i := range d.rows {
		from := d.s.Neurons[i]
		if !d.mayVote(i) {
			continue
		}
		for _, e := range from.Weights {
			to := d.s.Neurons[e.UID]
			self := int(e.UID) == i && !from.Owner
			hidden := d.p.CommitReveal && from.HasCommit && from.Commit < to.Registered
			if !self && !hidden && from.LastUpdate > to.Registered {
				m[k][e.UID] = float64(e.Value)
			}
		}
		m[k] = normalized(m[k])
	}
	return m
}

func (d dense) consensus(active []float64, w matrix) []float64 {
	type vote struct{ score, stake float64 }
	minority := 1 - float64(d.p.Kappa)/levels
	out := make([]float64, d.n)
	for j := range out {
		var votes []vote
		for k, i := range d.rows {
			if active[i] > 0 {
				votes = append(votes, vote{w[k][j], active[i]})
			}
		}
		for i, a := range active { // who has stake and says nothing
			if _, listed := slices.BinarySearch(d.rows, i); a > 0 && !listed {
				votes = append(votes, vote{0, a})
			}
		}
		slices.SortFunc(votes, func(a, b vote) int { return cmp.Compare(a.score, b.score) })
		below := 0.0
		for _, v := range votes {
			out[j] = v.score
			if below += v.stake; below > minority {
				break
			}
		}
	}
	return out
}

func (d dense) oldBonds() matrix {
	last := d.s.LastStep + 1
	if d.s.LastStep == 0 {
		last = d.s.Block - min(d.s.Block, d.p.Tempo)
	}
	m := newMatrix(len(d.rows), d.n)
	for k, i := range d.rows {
		for _, e := range d.s.Neurons[i].Bonds {
			if last > d.s.Neurons[e.UID].Registered {
				m[k][e.UID] = float64(e.Value) / levels
			}
		}
	}
	return m
}

// dividends returns the shares of rows.
func (d dense) dividends(stake []float64, w, clipped matrix, r DenseResult) []float64 {
	beta := float64(d.p.BondsPenalty) / levels
	take := 1 - float64(d.p.BondsMovingAverage)/1e6
	old, bought := d.oldBonds(), newMatrix(len(d.rows), d.n)
	for k, row := range bought {
		for j := range row {
			row[j] = w[k][j] + beta*(clipped[k][j]-w[k][j])
		}
	}
	shares := d.p.Version == yuma.Yuma2
	if shares {
		for k, row := range bought {
			for j := range row {
				row[j] *= stake[k]
			}
		}
		bought, old = divideColumns(bought, 0), divideColumns(old, 0)
	}
	curve := Params{
		AlphaLow: float64(d.p.AlphaLow) / levels, AlphaHigh: float64(d.p.AlphaHigh) / levels,
		Steepness: float64(d.p.Steepness) / 100,
	}
	liquid := d.p.LiquidAlpha && !shares && slices.Max(r.Consensus) > 0
	for k, row := range bought {
		for j, x := range row {
			a := take
			if liquid {
				a = curve.liquid(x, old[k][j], r.Consensus[j])
			}
			row[j] = math.Min(1, a*x+(1-a)*old[k][j])
		}
	}
	held := divideColumns(bought, 0)
	out := make([]float64, len(d.rows))
	for k, row := range held {
		for j, b := range row {
			out[k] += b * r.Incentive[j]
		}
		if !shares {
			out[k] *= stake[k]
		}
	}
	return normalized(out)
}
