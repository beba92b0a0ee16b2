package yuma

// This file holds the consensus: a stake-weighted median for every target.

import (
	"cmp"
	"math/bits"
	"slices"
)

// vote is one validator's weight on a target and its share of the voting stake.
type vote struct {
	score, stake Q32
}

// findConsensus sets, for every target, the largest weight that validators with at
// least kappa of the active stake reach. Who lists no weight votes zero.
func (w *Workspace) findConsensus() {
	stake := w.prerank // not in use yet
	voters := 0
	total := sum(w.r.ActiveStake)
	for i, a := range w.r.ActiveStake {
		stake[i] = quo(a, total)
		if a > 0 {
			voters++
		}
	}
	if voters == 0 {
		return
	}
	total = sum(stake)
	minority := total - Proportion(w.p.Kappa)
	w.gatherVotes(stake)
	start := 0
	for j, end := range w.colEnd {
		w.r.Consensus[j] = columnMedian(w.votes[start:end], total, minority, voters)
		start = end
	}
	clear(stake)
}

// gatherVotes sorts the non-zero weights of those with stake by target: column j
// ends at colEnd[j] of votes, where column j+1 starts. Masking counted them.
func (w *Workspace) gatherVotes(stake []Q32) {
	at := 0
	for j, count := range w.colEnd {
		w.colEnd[j] = at // for now where column j starts
		at += count
	}
	w.votes = resize(w.votes, at)
	for i, s := range stake {
		if s == 0 {
			continue
		}
		for _, c := range w.weights.row(i) {
			if c.val > 0 {
				w.votes[w.colEnd[c.col]] = vote{c.val, s}
				w.colEnd[c.col]++
			}
		}
	}
}

// columnMedian adds the voters that list nothing, who all stand at zero, and
// leaves the rest to [median]. It reorders votes.
func columnMedian(votes []vote, total, minority Q32, voters int) Q32 {
	zeros := total
	for _, v := range votes {
		zeros -= v.stake
	}
	if len(votes) < voters && minority < zeros || len(votes) == 0 {
		return 0
	}
	return median(votes, minority-zeros)
}

// median returns the score p with (stake strictly below p) ≤ minority < (stake at
// or below p); the largest score if minority exceeds all stake, the smallest if it
// is negative. It reorders votes, of which there must be one or more.
//
// It is a quickselect over stake. Pivots can be made to be bad, so after
// 2·log2 rounds what is left is sorted.
func median(votes []vote, minority Q32) Q32 {
	for range 2 * bits.Len(uint(len(votes))) {
		pivot := middle(votes)
		below, same, stakeBelow, stakeSame := partition(votes, pivot)
		switch {
		case minority < stakeBelow && below > 0:
			votes = votes[:below]
		case minority < stakeBelow+stakeSame || below+same == len(votes):
			return pivot
		case minority < 0:
			return pivot
		default:
			votes = votes[below+same:]
			minority -= stakeBelow + stakeSame
		}
	}
	return medianSorted(votes, minority)
}

// medianSorted is the definition of [median].
func medianSorted(votes []vote, minority Q32) Q32 {
	slices.SortFunc(votes, func(a, b vote) int { return cmp.Compare(a.score, b.score) })
	for _, v := range votes {
		if minority < v.stake {
			return v.score
		}
		minority -= v.stake
	}
	return votes[len(votes)-1].score
}

// middle returns the median score of the first, middle and last vote.
func middle(votes []vote) Q32 {
	a, b, c := votes[0].score, votes[len(votes)/2].score, votes[len(votes)-1].score
	return max(min(a, b), min(max(a, b), c))
}

// partition orders votes into those below, at and above the pivot.
func partition(votes []vote, pivot Q32) (below, same int, stakeBelow, stakeSame Q32) {
	i, above := 0, len(votes)
	for i < above {
		v := votes[i]
		switch {
		case v.score < pivot:
			votes[i], votes[below] = votes[below], v
			stakeBelow += v.stake
			below++
			i++
		case v.score == pivot:
			stakeSame += v.stake
			i++
		default:
			above--
			votes[i], votes[above] = votes[above], v
		}
	}
	return below, i - below, stakeBelow, stakeSame
}
