package yuma_test

// This file holds the comparison of epochs with their golden cases, number by
// number: stored integers and every 32-bit fraction.

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"lode/yuma/casefile"
)

func checkEpochs(t *testing.T, c casefile.Case) int {
	var want struct {
		Expect *casefile.Outcome
		Epochs []struct{ Expect casefile.Outcome }
	}
	decode(t, c, &want)
	var all []casefile.Outcome
	if want.Expect != nil {
		all = append(all, *want.Expect)
	}
	for _, e := range want.Epochs {
		all = append(all, e.Expect)
	}
	got, err := c.Run()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(got.Epochs) {
		t.Fatalf("%d epochs are expected, %d were run", len(all), len(got.Epochs))
	}
	for k := range all {
		compareEpoch(t, fmt.Sprintf("epoch %d: ", k), all[k], got.Epochs[k])
	}
	return len(all)
}

func compareEpoch(t *testing.T, at string, want, got casefile.Outcome) {
	t.Helper()
	for _, v := range []struct {
		name      string
		want, got []float64
	}{
		{"stake", want.StakeWeight, got.StakeWeight},
		{"active stake", want.ActiveStake, got.ActiveStake},
		{"consensus", want.Consensus, got.Consensus},
		{"validator trust", want.ValidatorTrust, got.ValidatorTrust},
		{"incentive", want.Incentive, got.Incentive},
		{"dividends", want.Dividends, got.Dividends},
		{"trust", want.Trust, got.Trust},
		{"rank", want.Rank, got.Rank},
	} {
		same(t, at+v.name, allBits(v.want), allBits(v.got))
	}
	same(t, at+"stake u16", want.StakeWeightU16, got.StakeWeightU16)
	same(t, at+"consensus u16", want.ConsensusU16, got.ConsensusU16)
	same(t, at+"validator trust u16", want.ValidatorTrustU16, got.ValidatorTrustU16)
	same(t, at+"incentive u16", want.IncentiveU16, got.IncentiveU16)
	same(t, at+"dividends u16", want.DividendsU16, got.DividendsU16)
	same(t, at+"server", want.Server, got.Server)
	same(t, at+"validator", want.Validator, got.Validator)
	same(t, at+"emission", want.Combined, got.Combined)
	same(t, at+"permits", want.Permits, got.Permits)
	same(t, at+"active", want.Active, got.Active)
	if len(want.Bonds) != len(got.Bonds) {
		t.Errorf("%sbonds: %d rows, want %d", at, len(got.Bonds), len(want.Bonds))
		return
	}
	for i, row := range want.Bonds {
		same(t, fmt.Sprintf("%sbonds of %d", at, i), row, got.Bonds[i])
	}
}

func same[T comparable](t *testing.T, what string, want, got []T) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// allBits recovers the 32 fraction bits: ten printed decimals lie closer to the true
// value than half a unit of 2⁻³².
func allBits(v []float64) []int64 {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(math.Round(x * (1 << 32)))
	}
	return out
}

// simTolerance is the golden cases' own: the published simulator counts in float32.
const simTolerance = 1e-4

// checkSim compares a study; not every epoch has an expectation, nor every vector.
func checkSim(t *testing.T, c casefile.Case) (compared int) {
	var want struct {
		Epochs []struct{ Expect *casefile.StudyOutcome }
	}
	decode(t, c, &want)
	got, err := c.Run()
	if err != nil {
		t.Fatal(err)
	}
	for k, e := range want.Epochs {
		if e.Expect == nil {
			continue
		}
		compared++
		o, at := got.Studies[k], fmt.Sprintf("epoch %d: ", k)
		if e.Expect.Consensus != nil {
			near(t, at+"consensus", e.Expect.Consensus, o.Consensus)
		}
		near(t, at+"incentive", e.Expect.Incentive, o.Incentive)
		near(t, at+"dividends", e.Expect.Dividends, o.Dividends)
		if len(e.Expect.Bonds) != len(o.Bonds) {
			t.Fatalf("%s%d rows of bonds, want %d", at, len(o.Bonds), len(e.Expect.Bonds))
		}
		for i, row := range e.Expect.Bonds {
			near(t, fmt.Sprintf("%sbonds of %d", at, i), row, o.Bonds[i])
		}
	}
	return compared
}

func near(t *testing.T, what string, want, got []float64) {
	t.Helper()
	if !slices.EqualFunc(want, got, func(a, b float64) bool { return math.Abs(a-b) <= simTolerance }) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
