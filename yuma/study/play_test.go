package study_test

// This file holds what the package is for: the published findings come out.

import (
	"math"
	"slices"
	"testing"

	"lode/yuma/study"
)

// means plays a situation and returns the mean dividend of each validator.
func means(t *testing.T, s study.Situation, variant string) []float64 {
	t.Helper()
	i := slices.IndexFunc(study.Variants(), func(v study.Variant) bool { return v.Name == variant })
	if i < 0 {
		t.Fatalf("no variant %q", variant)
	}
	out, err := study.Play(s, study.Variants()[i])
	if err != nil {
		t.Fatal(err)
	}
	mean := make([]float64, len(s.Validators))
	for _, o := range out {
		for i, d := range o.Dividends {
			mean[i] += d / float64(len(out))
		}
	}
	return mean
}

// A copier with a fifth of the stake earns a fifth if nothing is hidden, and less
// the later it is: the figures measured with the chain's integers over 12 epochs.
func TestCopierEarnsLessTheLaterItIs(t *testing.T) {
	for variant, want := range map[string][3]float64{
		"exact2":        {0.200, 0.113, 0.100},
		"exact3":        {0.200, 0.162, 0.145},
		"exact3-liquid": {0.200, 0.156, 0.135},
	} {
		for lag, w := range want {
			if got := means(t, study.WeightCopier(lag, 12), variant)[2]; math.Abs(got-w) > 0.0005 {
				t.Errorf("%s, lag %d: %.4f, want %.3f", variant, lag, got, w)
			}
		}
	}
	for _, variant := range []string{"yuma1", "yuma2", "yuma2c", "yuma3", "yuma3-liquid"} {
		var got [3]float64
		for lag := range got {
			got[lag] = means(t, study.WeightCopier(lag, 12), variant)[2]
		}
		if math.Abs(got[0]-0.2) > 0.001 || got[1] > 0.19 || got[2] > got[1] {
			t.Errorf("%s: %v", variant, got)
		}
	}
}

// A cabal without a majority earns less than its stake, the less the more it gives
// itself; one with a majority earns more. In every variant.
func TestCabalNeedsAMajority(t *testing.T) {
	for _, v := range study.Variants() {
		before := 0.4
		for _, own := range []float64{0.2, 0.5, 1} {
			got := means(t, study.Cabal(0.4, own, 20), v.Name)[2]
			if got > before-0.005 {
				t.Errorf("%s: a cabal that gives itself %v earns %.3f, before it was %.3f", v.Name, own, got, before)
			}
			before = got
		}
		if got := means(t, study.Cabal(0.6, 1, 20), v.Name)[2]; got < 0.75 {
			t.Errorf("%s: a majority earns %.3f", v.Name, got)
		}
	}
}

// A small validator that moves before the big one gains by it, more so in Yuma 3,
// which is what it is for.
func TestEarlyDiscoveryPaysInYuma3(t *testing.T) {
	early := study.Switching(study.BigSecond, 40)
	two, three := means(t, early, "yuma2"), means(t, early, "yuma3-liquid")
	if three[1] < 0.11 || three[1] < two[1]+0.01 {
		t.Errorf("who moves early earns %.4f of 0.1 in Yuma 2, %.4f in Yuma 3", two[1], three[1])
	}
}

func TestRefusals(t *testing.T) {
	bad := study.DefaultParams(study.Yuma2)
	bad.Take = math.NaN()
	if _, err := study.New(bad); err == nil {
		t.Error("a take that is no number is accepted")
	}
	for name, step := range map[string]study.Step{
		"nobody":          {},
		"no stake":        {[]float64{0}, [][]float64{{1}}},
		"too few rows":    {[]float64{1, 1}, [][]float64{{1}}},
		"ragged":          {[]float64{1, 1}, [][]float64{{1}, {1, 2}}},
		"negative weight": {[]float64{1}, [][]float64{{-1}}},
		"infinite stake":  {[]float64{math.Inf(1)}, [][]float64{{1}}},
	} {
		sim, err := study.New(study.DefaultParams(study.Yuma2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sim.Epoch(step.Stake, step.Weights); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
