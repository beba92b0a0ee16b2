package yuma

// This file holds the bonds of Yuma 3: one per pair, each between zero and one.

// bondPairs sets bonds and dividends by Yuma 3.
func (w *Workspace) bondPairs() {
	w.dateBonds()
	w.averagePairs()
	w.payPairs()
	w.store(func(c cell) Q32 { return c.val })
}

// averagePairs moves every bond towards its weight.
func (w *Workspace) averagePairs() {
	curve := newLiquid(w.p, w.r.Consensus)
	take := w.p.newShare()
	w.bonds.reset()
	for i := range w.s.Neurons {
		for _, p := range w.pairUp(w.bondRow(i), w.s.Neurons[i].Bonds) {
			p.old = Proportion(uint16(p.old))
			b := curve.next(p, w.r.Consensus[p.col], take)
			if b > 0 {
				w.bonds.add(p.col, b)
				w.colSum[p.col] += b
			}
		}
		w.bonds.endRow()
	}
}

// payPairs pays each validator its share of every target's bonds times the
// target's incentive, and all that times its own stake.
func (w *Workspace) payPairs() {
	for i := range w.s.Neurons {
		a := w.r.ActiveStake[i]
		if a == 0 {
			continue
		}
		var paid Q32
		for _, c := range w.bonds.row(i) {
			if in := w.r.Incentive[c.col]; in > 0 {
				paid += mulPart(quo(c.val, w.colSum[c.col]), in)
			}
		}
		w.r.Dividends[i] = mulPart(paid, a)
	}
	normalize(w.r.Dividends, sum(w.r.Dividends))
}

// liquid is the curve that gives every pair its own moving average: fast where a
// validator leads the consensus or gives up a bond, slow where it follows.
type liquid struct {
	on          bool
	decayAbsent bool
	low, high   Q32
	steep       Q32
	still       Q32 // the average at distance zero, the common case
}

// newLiquid prepares the curve. It is off, and the one moving average is used,
// while there is no consensus on anything.
func newLiquid(p Params, consensus []Q32) liquid {
	any := false
	for _, c := range consensus {
		any = any || c != 0
	}
	l := liquid{
		on:          p.LiquidAlpha && any,
		decayAbsent: p.LiquidDecaysAbsent,
		low:         Proportion(p.AlphaLow),
		high:        Proportion(p.AlphaHigh),
		steep:       div(Q32(p.Steepness)<<32, 100<<32),
	}
	l.still = l.at(0)
	return l
}

// next returns the bond after this epoch.
func (l *liquid) next(p pair, consensus, take Q32) Q32 {
	switch {
	case !l.on:
	case !p.listed && !l.decayAbsent:
		return 0
	default:
		take = l.alpha(p, consensus)
		return min(one, average(p.new, p.old, take))
	}
	return average(p.new, p.old, take)
}

// alpha returns how much of the new weight the bond takes over.
func (l *liquid) alpha(p pair, consensus Q32) Q32 {
	distance := p.new - consensus
	if p.new < p.old {
		distance = p.old - p.new
	}
	distance = clamp(distance, 0, one)
	if distance == 0 {
		return l.still
	}
	return l.at(distance)
}

func (l *liquid) at(distance Q32) Q32 {
	a := l.low + mul(logistic(distance, half, l.steep), l.high-l.low)
	return clamp(a, l.low, l.high)
}

// average returns take·new + (1−take)·old, each product floored.
func average(new, old, take Q32) Q32 {
	return mulPart(take, new) + mulPart(one-take, old)
}
