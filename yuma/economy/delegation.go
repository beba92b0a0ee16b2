package economy

// This file holds how stake is inherited and how dividends are passed on.

import (
	"math"

	"lode/yuma"
)

// Parent is a hotkey that lends a part of its stake.
type Parent struct {
	Stake     uint64 // its own, or in Dividends what counts as such
	Part      uint64 // lent, in units of 1/(2⁶⁴−1)
	SameOwner bool   // as the child: no childkey take
}

func (p Parent) contribution() fixed { return whole(p.Stake).times(ratio(p.Part, math.MaxUint64)) }

// Inherited returns a hotkey's stake after what it lends to children and what
// parents lend to it. Only own stake is lent on, never inherited stake. children are
// parts in units of 1/(2⁶⁴−1) (staking/stake_utils.rs get_inherited_for_hotkey_on_subnet).
func Inherited(own uint64, children []uint64, parents []Parent) uint64 {
	stake, lent := whole(own), fixed{}
	for _, part := range children {
		lent = lent.plus(stake.times(ratio(part, math.MaxUint64)))
	}
	stake = stake.minus(lent)
	for _, p := range parents {
		stake = stake.plus(p.contribution())
	}
	return stake.floor()
}

// StakeWeight returns the stake that votes: that on the run, and root stake by its
// weight in [0, 1].
func StakeWeight(stake, root uint64, weight yuma.Q32) uint64 {
	return whole(stake).plus(whole(root).times(weight)).floor()
}

// Dividends divides what a child earned over its parents, in order, and itself, by
// contribution; own is the stake that the child has left of its own. Of what a
// parent of another owner is due the child keeps take/65535
// (coinbase/run_coinbase.rs get_parent_child_dividends_distribution).
func Dividends(earned, own uint64, parents []Parent, take uint16) (toParents []uint64, toChild uint64) {
	total := whole(own)
	for _, p := range parents {
		total = total.plus(p.contribution())
	}
	all := whole(earned)
	left, taken := all, fixed{}
	toParents = make([]uint64, len(parents))
	for i, p := range parents {
		due := all.times(p.contribution().partOf(total))
		left = left.minus(due)
		kept := due.times(yuma.Proportion(take))
		if p.SameOwner {
			kept = fixed{}
		}
		taken = taken.plus(kept)
		toParents[i] = due.minus(kept).floor()
	}
	return toParents, left.plus(taken).floor()
}

// Take divides a dividend into the owner's take, take/65535 of it, and the rest,
// which nominators share by stake. Both are floored.
func Take(dividend uint64, take uint16) (owner, nominators uint64) {
	all := whole(dividend)
	taken := all.times(yuma.Proportion(take))
	return taken.floor(), all.minus(taken).floor()
}

// Holding is one hotkey's stake, on the run and on root, and its dividend.
type Holding struct{ Stake, Root, Dividend uint64 }

// SplitRoot pays two pots to hotkeys: root by the part of each dividend that is due
// to its root stake, root·weight/(stake + root·weight), run by the remaining part
// (coinbase/run_coinbase.rs calculate_dividend_distribution).
func SplitRoot(run, root uint64, weight yuma.Q32, holdings []Holding) (runs, roots []uint64) {
	ofRun, ofRoot := make([]fixed, len(holdings)), make([]fixed, len(holdings))
	var runTotal, rootTotal fixed
	for i, h := range holdings {
		w := whole(h.Root).times(weight)
		all := whole(h.Dividend)
		ofRoot[i] = all.times(w.partOf(w.plus(whole(h.Stake))))
		ofRun[i] = all.minus(ofRoot[i])
		runTotal, rootTotal = runTotal.plus(ofRun[i]), rootTotal.plus(ofRoot[i])
	}
	runs, roots = make([]uint64, len(holdings)), make([]uint64, len(holdings))
	for i := range holdings {
		runs[i] = whole(run).times(ofRun[i].partOf(runTotal)).floor()
		roots[i] = whole(root).times(ofRoot[i].partOf(rootTotal)).floor()
	}
	return runs, roots
}
