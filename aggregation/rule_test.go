package aggregation_test

// This file holds every rule and pre-step to its promises.

import (
	"fmt"
	"math"
	"testing"

	"lode/aggregation"
	"lode/aggregation/ruletest"
	"lode/gradient"
)

// dense keeps what tests put in.
var dense = gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4}

// stays is a bound that robust rules promise: what it asks holds whatever the
// liars send.
type stays func(n, f int, got []int64, honest [][]int64) error

// within: at every place as far outside the honest values as times their range.
func within(times float64) stays {
	return func(_, _ int, got []int64, honest [][]int64) error {
		for i, v := range got {
			lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
			for _, row := range honest {
				lo, hi = min(lo, row[i]), max(hi, row[i])
			}
			room := times * float64(hi-lo)
			if float64(v) < float64(lo)-room || float64(v) > float64(hi)+room {
				return fmt.Errorf("place %d: %d, the honest are from %d to %d", i, v, lo, hi)
			}
		}
		return nil
	}
}

// near: as far from every honest row as the farthest two of them, times factor.
func near(factor func(n, f int) float64) stays {
	return func(n, f int, got []int64, honest [][]int64) error {
		diameter, away := 0.0, 0.0
		for _, a := range honest {
			away = max(away, distance(a, got))
			for _, b := range honest {
				diameter = max(diameter, distance(a, b))
			}
		}
		if away > factor(n, f)*diameter {
			return fmt.Errorf("%.3g away, the honest are %.3g apart", away, diameter)
		}
		return nil
	}
}

// short: as long as the longest honest row, times factor.
func short(factor float64) stays {
	return func(_, _ int, got []int64, honest [][]int64) error {
		zero, longest := make([]int64, len(got)), 0.0
		for _, a := range honest {
			longest = max(longest, distance(a, zero))
		}
		if long := distance(got, zero); long > factor*longest {
			return fmt.Errorf("%.3g long, the honest at most %.3g", long, longest)
		}
		return nil
	}
}

func distance(a, b []int64) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i] - b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

var (
	all      = ruletest.Promises{Hull: true, Unanimous: true, Scales: true}
	dealt    = ruletest.Promises{Hull: true, Unanimous: true}
	voted    = ruletest.Promises{Scales: true}
	mixed    = near(func(int, int) float64 { return 3 })
	oneOfAll = near(func(n, f int) float64 { return 1 + math.Sqrt(float64(n-f-2)) })
	middle   = near(func(n, f int) float64 { return 2.4 * float64(n-f) / float64(n-2*f) })
)

var configs = []struct {
	name     string
	edit     func(*aggregation.Config)
	promises ruletest.Promises
	stays    stays // nil: one liar moves it at will
}{
	{"mean", func(c *aggregation.Config) { c.Rule = aggregation.Mean }, all, nil},
	{"mean of senders", func(c *aggregation.Config) { c.Rule, c.Senders = aggregation.Mean, true }, all, nil},
	{"mean by samples", func(c *aggregation.Config) { c.Rule, c.MaxSamples = aggregation.Mean, math.MaxUint32 }, all, nil},
	{"mean by capped samples", func(c *aggregation.Config) { c.Rule, c.MaxSamples = aggregation.Mean, 2 }, all, nil},
	{"mean, clipped", func(c *aggregation.Config) { c.Rule, c.ClipNorms = aggregation.Mean, true }, all, short(1)},
	{"sign majority", func(c *aggregation.Config) { c.Rule = aggregation.SignMajority }, voted, short(64)},
	{"sign majority of senders", func(c *aggregation.Config) { c.Rule, c.Senders = aggregation.SignMajority, true }, voted, short(64)},
	{"median", func(c *aggregation.Config) { c.Rule = aggregation.Median }, all, within(0)},
	{"median of senders", func(c *aggregation.Config) { c.Rule, c.Senders = aggregation.Median, true }, all, nil},
	{"trimmed mean", func(c *aggregation.Config) { c.Rule, c.Liars = aggregation.TrimmedMean, 2 }, all, within(0)},
	{"trimmed mean of senders", func(c *aggregation.Config) { c.Rule, c.Liars, c.Senders = aggregation.TrimmedMean, 2, true }, all, nil},
	{"krum", func(c *aggregation.Config) { c.Rule, c.Liars = aggregation.Krum, 2 }, all, oneOfAll},
	{"multi-krum", func(c *aggregation.Config) { c.Rule, c.Liars = aggregation.MultiKrum, 2 }, all, oneOfAll},
	{"bulyan", func(c *aggregation.Config) { c.Rule, c.Liars = aggregation.Bulyan, 2 }, dealt, within(1)},
	{"geometric median", func(c *aggregation.Config) { c.Rule = aggregation.GeometricMedian }, all, middle},
	{"centred clipping", func(c *aggregation.Config) { c.Rule = aggregation.CentredClipping }, all, short(7)},
	{"mixed trimmed mean", func(c *aggregation.Config) { c.Rule, c.Liars, c.Mix = aggregation.TrimmedMean, 2, true }, all, mixed},
	{"clipped, mixed median", func(c *aggregation.Config) { c.Rule, c.Liars, c.Mix, c.ClipNorms = aggregation.Median, 2, true, true }, all, short(3)},
	{"mixed geometric median", func(c *aggregation.Config) { c.Rule, c.Liars, c.Mix = aggregation.GeometricMedian, 2, true }, all, middle},
	{"mixed krum", func(c *aggregation.Config) { c.Rule, c.Liars, c.Mix = aggregation.Krum, 2, true }, all, mixed},
	{"mixed vote", func(c *aggregation.Config) { c.Rule, c.Liars, c.Mix = aggregation.SignMajority, 2, true }, voted, short(64)},
	{"mixed bulyan", func(c *aggregation.Config) { c.Rule, c.Liars, c.Mix = aggregation.Bulyan, 2, true }, all, mixed},
	{"buckets, trimmed mean", func(c *aggregation.Config) { c.Rule, c.Liars, c.Bucket = aggregation.TrimmedMean, 2, 2 }, dealt, within(0)},
	{"buckets, centred clipping", func(c *aggregation.Config) { c.Rule, c.Bucket = aggregation.CentredClipping, 3 }, dealt, short(7)},
	{"buckets, multi-krum", func(c *aggregation.Config) { c.Rule, c.Liars, c.Bucket = aggregation.MultiKrum, 1, 2 }, dealt, nil},
}

func TestRulesConform(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range configs {
		for _, p := range []gradient.Params{dense, {Codec: gradient.TopK, K: 300, Bits: 4, EMin: -40, EMax: -4}} {
			cfg := aggregation.DefaultConfig(p)
			c.edit(&cfg)
			tested[cfg.Rule] = true
			t.Run(c.name+"/"+p.Codec, func(t *testing.T) { ruletest.Conform(t, cfg, c.promises) })
		}
	}
	for _, name := range aggregation.Rules() {
		if !tested[name] {
			t.Errorf("rule %s is not tested", name)
		}
	}
}

// Liars as many as a rule bears do not move it beyond its bound, whatever they
// send.
func TestRulesWithstandLiars(t *testing.T) {
	for _, c := range configs {
		if c.stays == nil {
			continue
		}
		cfg := aggregation.DefaultConfig(dense)
		c.edit(&cfg)
		t.Run(c.name, func(t *testing.T) {
			f := max(cfg.Liars, 2)
			for _, n := range []int{max(cfg.NeedsWorkers(), 11), 16} {
				if n == 16 && testing.Short() {
					continue
				}
				ruletest.Withstand(t, cfg, n, f, func(got []int64, honest [][]int64) error { return c.stays(n, f, got, honest) })
			}
		})
	}
}
