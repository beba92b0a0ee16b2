package economy_test

// This file holds what the golden cases leave open: each remaining sentence of a
// rule, and that no rule pays out more than came in.

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"lode/yuma"
	"lode/yuma/economy"
)

func TestNothingPaysMoreThanCameIn(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	amount := func() uint64 { return rng.Uint64() >> rng.UintN(64) }
	share := func() yuma.Q32 { return yuma.Q32(rng.Uint64N(1<<32 + 1)) }
	for range 20_000 {
		minted := amount()
		p := economy.Split(minted, uint16(rng.Uint32()), share())
		left := minted
		for _, x := range []uint64{p.Owner, p.Servers, p.Validators, p.Root} {
			if x > left {
				t.Fatalf("%+v of %d", p, minted)
			}
			left -= x
		}
		if left > 4 {
			t.Fatalf("%+v of %d: %d go to nobody", p, minted, left)
		}

		if owner, rest := economy.Take(minted, uint16(rng.Uint32())); owner > minted || rest > minted-owner || minted-owner-rest > 1 {
			t.Fatalf("take of %d: %d and %d", minted, owner, rest)
		}

		split := economy.SplitMechanisms(minted, 1+rng.IntN(4), []uint16{uint16(rng.Uint32()), uint16(rng.Uint32())})
		for _, x := range split {
			minted -= x // must end at zero exactly
		}
		if minted != 0 {
			t.Fatalf("%v: %d off", split, minted)
		}

		parents := make([]economy.Parent, rng.IntN(5))
		for i := range parents {
			parents[i] = economy.Parent{Stake: amount(), Part: amount(), SameOwner: rng.IntN(2) == 0}
		}
		earned := amount()
		shares, own := economy.Dividends(earned, amount(), parents, uint16(rng.Uint32()))
		left = earned
		for _, x := range append(shares, own) {
			if x > left {
				t.Fatalf("%v and %d of %d", shares, own, earned)
			}
			left -= x
		}
		if left > uint64(len(parents))+1 {
			t.Fatalf("%v and %d of %d: %d are lost", shares, own, earned, left)
		}
	}
}

func TestStakeWeight(t *testing.T) {
	if got := economy.StakeWeight(100, 50, 1<<31); got != 125 {
		t.Errorf("100 and half of 50 is %d", got)
	}
	if got := economy.StakeWeight(math.MaxUint64, math.MaxUint64, 1<<32); got != math.MaxUint64 {
		t.Errorf("more than fits gives %d", got)
	}
	if got := economy.Inherited(10, nil, []economy.Parent{{Stake: 7, Part: math.MaxUint64}}); got != 17 {
		t.Errorf("10 and all of 7 is %d", got)
	}
	if got := economy.Inherited(10, []uint64{math.MaxUint64, math.MaxUint64}, nil); got != 0 {
		t.Errorf("more than all is lent, and %d is left", got)
	}
}

// The average reaches half the way to a constant price after one halving time, if
// the rate is one half.
func TestMovingPriceSettles(t *testing.T) {
	const one = 1 << 32
	if got := economy.MovingPrice(0, 5*one, one, 100, 0); got != one {
		t.Errorf("a price of 5 counts as %d", got)
	}
	if got := economy.MovingPrice(one, 0, one, 0, 100); got != one {
		t.Errorf("before the first block the average moves to %d", got)
	}
}

func TestPruneRefuses(t *testing.T) {
	if got := economy.Prune(10, 100, 0, []economy.Place{{Protected: true}}); got != -1 {
		t.Errorf("the owner goes: %d", got)
	}
	if got := economy.Prune(1000, 100, 5, []economy.Place{{}, {Emission: 3}}); got != -1 {
		t.Errorf("one of the last without immunity goes: %d", got)
	}
}

func TestScheduleDue(t *testing.T) {
	for name, c := range map[string]struct {
		s     economy.Schedule
		block uint64
		due   bool
	}{
		"tempo not reached":  {economy.Schedule{Last: 100, Step: 100, Tempo: 10}, 109, false},
		"tempo reached":      {economy.Schedule{Last: 100, Step: 100, Tempo: 10}, 110, true},
		"never":              {economy.Schedule{Tempo: 0, Trigger: 1}, 1e6, false},
		"trigger to come":    {economy.Schedule{Last: 100, Step: 100, Tempo: 360, Trigger: 111}, 110, false},
		"trigger reached":    {economy.Schedule{Last: 100, Step: 100, Tempo: 360, Trigger: 111}, 111, true},
		"long pause":         {economy.Schedule{Last: 60_000, Step: 100, Tempo: 60_000}, 50_501, true},
		"not so long yet":    {economy.Schedule{Last: 60_000, Step: 100, Tempo: 60_000}, 50_500, false},
		"last at the end":    {economy.Schedule{Last: math.MaxUint64, Step: 5, Tempo: 10}, 6, false},
		"block before start": {economy.Schedule{Last: 10, Step: 10, Tempo: 10}, 3, false},
	} {
		if got := c.s.Due(c.block); got != c.due {
			t.Errorf("%s: due is %v", name, got)
		}
	}
	if got := economy.FirstEpoch(1000, 725, 360); got != 995 {
		t.Errorf("run 725 counts from %d", got)
	}
}

// Every refusal, in the order in which they are asked: what is wrong later is not
// named while something before it is.
func TestWeightsAreRefusedInOrder(t *testing.T) {
	rules := economy.WeightRules{MinTargets: 2, MaxWeight: 40_000, Version: 3, RateLimit: 10, StakeThreshold: 5}
	s := economy.Setter{UID: 9, LastUpdate: 100}
	uids, values := []uint16{1, 1, 1, 9}, []uint16{1}
	block, n := uint64(105), 3
	for _, step := range []struct {
		reason error
		mend   func()
	}{
		{economy.ErrLengths, func() { values = []uint16{9, 0, 0, 0} }},
		{economy.ErrTooMany, func() { n = 8 }},
		{economy.ErrStake, func() { s.Stake = 5 }},
		{economy.ErrVersion, func() { s.Version = 4 }},
		{economy.ErrRate, func() { block = 110 }},
		{economy.ErrPermit, func() { s.Permit = true }},
		{economy.ErrDuplicate, func() { uids = []uint16{12}; values = []uint16{9} }},
		{economy.ErrTarget, func() { uids = []uint16{1} }},
		{economy.ErrTooFew, func() { uids = []uint16{1, 2}; values = []uint16{9, 0} }},
		{economy.ErrTooLarge, func() { values = []uint16{6, 5} }},
	} {
		if err := rules.Check(block, n, s, uids, values); !errors.Is(err, step.reason) {
			t.Errorf("got %v, want %v", err, step.reason)
		}
		step.mend()
	}
	if err := rules.Check(block, n, s, uids, values); err != nil {
		t.Error(err)
	}
	// The commit, not the weights, is what is limited then.
	rules.CommitReveal = true
	if err := rules.Check(101, n, s, uids, values); err != nil {
		t.Error(err)
	}
	// A row on oneself alone needs neither permit, number nor limit.
	if err := rules.Check(block, 10, economy.Setter{UID: 9, Stake: 5, Version: 3}, []uint16{9}, []uint16{1}); err != nil {
		t.Error(err)
	}
}
