package yuma

// This file holds who votes: stake shares, permits, activity.

import (
	"cmp"
	"math/bits"
	"slices"
)

// shareStake sets the stake shares. The chain divides with 64 fraction bits and
// cuts to 32; flooring once gives the same number.
func (w *Workspace) shareStake() {
	var hi, total uint64
	for i := range w.s.Neurons {
		var carry uint64
		total, carry = bits.Add64(total, w.counted(i), 0)
		hi += carry
	}
	shift := uint(0)
	if hi > 0 {
		// Out of the chain's range. 2¹⁵ stakes sum to less than 2⁷⁹.
		shift = 16
		total = hi<<48 | total>>16
	}
	if total == 0 {
		return
	}
	for i := range w.s.Neurons {
		x := w.counted(i) >> shift
		q, _ := bits.Div64(x>>32, x<<32, total)
		if x == total {
			q = uint64(one)
		}
		w.r.Stake[i] = Q32(q)
	}
}

// counted returns the stake of neuron i, 0 if it is below the threshold.
func (w *Workspace) counted(i int) uint64 {
	nn := &w.s.Neurons[i]
	if nn.Stake < w.p.StakeThreshold && !nn.Owner {
		return 0
	}
	return nn.Stake
}

// permit sets the permits for the next epoch.
func (w *Workspace) permit() {
	w.byStake = topNonZero(w.r.Permits, w.r.Stake, w.p.MaxValidators, w.byStake)
	for i := range w.s.Neurons {
		if w.s.Neurons[i].Owner {
			w.r.Permits[i] = true
		}
	}
}

// topNonZero marks the k largest elements of v that are not zero. Of equal ones
// the higher index wins: the chain sorts ascending, stably, and the first lose.
// It returns the scratch slice for reuse.
func topNonZero(marks []bool, v []Q32, k int, scratch []int32) []int32 {
	scratch = scratch[:0]
	for i, x := range v {
		marks[i] = x != 0
		if x != 0 {
			scratch = append(scratch, int32(i))
		}
	}
	if len(scratch) <= k {
		return scratch
	}
	slices.SortFunc(scratch, func(a, b int32) int {
		return cmp.Or(cmp.Compare(v[a], v[b]), cmp.Compare(a, b))
	})
	for _, i := range scratch[:len(scratch)-k] {
		marks[i] = false
	}
	return scratch
}

// activate sets who is active and the shares of those who vote: active, and
// holding a permit.
func (w *Workspace) activate() {
	for i := range w.s.Neurons {
		nn := &w.s.Neurons[i]
		until, over := bits.Add64(nn.LastUpdate, w.p.ActivityCutoff, 0)
		w.r.Active[i] = over != 0 || until >= w.s.Block
		if w.r.Active[i] && w.mayVote(i) {
			w.r.ActiveStake[i] = w.r.Stake[i]
		}
	}
	normalize(w.r.ActiveStake, sum(w.r.ActiveStake))
}

func (w *Workspace) mayVote(i int) bool {
	if w.p.CurrentPermits {
		return w.r.Permits[i]
	}
	return w.s.Neurons[i].Permit || w.s.Neurons[i].Owner
}
