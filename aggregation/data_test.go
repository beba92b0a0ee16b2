package aggregation

// This file holds the models, updates and configurations that tests merge.

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

func layoutOf(tb testing.TB, specs ...tensor.Spec) tensor.Layout {
	tb.Helper()
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// model has full and short chunks, sparse and dense.
func model(tb testing.TB) tensor.Layout {
	return layoutOf(tb,
		tensor.Spec{Name: "embed", Shape: []int{100, 90}},
		tensor.Spec{Name: "norm", Shape: []int{90}},
		tensor.Spec{Name: "head", Shape: []int{2, tensor.ChunkLen}})
}

// heavyTail returns values about 2⁻¹⁴ whose magnitude doubles with half the
// chance; it is made of integers alone, the same on every processor.
func heavyTail(seed uint64, n int) tensor.Flat {
	r := rand.New(rand.NewPCG(seed, 7))
	v := make(tensor.Flat, n)
	for i := range v {
		exp := uint32(110 + bits.TrailingZeros32(r.Uint32()|1<<14))
		v[i] = math.Float32frombits(r.Uint32()&0x807fffff | exp<<23)
	}
	return v
}

func encode(tb testing.TB, l tensor.Layout, p gradient.Params, a tensor.Reader) *gradient.Update {
	tb.Helper()
	u, err := gradient.Encode(l, p, a)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// contributions returns W updates with clip factors of all kinds.
func contributions(tb testing.TB, l tensor.Layout, p gradient.Params, seed uint64, num int) []Contribution {
	r := rand.New(rand.NewPCG(seed, 8))
	cs := make([]Contribution, num)
	for i := range cs {
		clip := gradient.Unclipped
		switch r.IntN(4) {
		case 0:
			clip = gradient.Clip(r.Uint64N(uint64(gradient.Unclipped)))
		case 1:
			clip = gradient.Clip(r.IntN(5))
		}
		cs[i] = Contribution{Update: encode(tb, l, p, heavyTail(r.Uint64(), l.Len())), Clip: clip}
	}
	return cs
}

func mustMerge(tb testing.TB, l tensor.Layout, cfg Config, cs []Contribution, state State) *Step {
	tb.Helper()
	s, err := Merge(l, cfg, cs, state)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func nesterovConfig(p gradient.Params) Config {
	cfg := DefaultConfig(p)
	cfg.Optimizer, cfg.Momentum, cfg.Rate = "nesterov", 9*One/10, 7*One/10
	return cfg
}

// ruleConfigs has every rule, with and without what may stand before it.
func ruleConfigs(p gradient.Params) []Config {
	var all []Config
	for _, r := range rules {
		cfg := DefaultConfig(p)
		cfg.Rule = r.name
		if r.liars {
			cfg.Liars = 1
		}
		all = append(all, cfg)
		cfg.ClipNorms, cfg.Bucket, cfg.Seed = true, 2, [32]byte{1}
		all = append(all, cfg)
		cfg.Bucket, cfg.Mix, cfg.Liars = 0, true, 1
		all = append(all, cfg)
		if r.byPlace {
			cfg = DefaultConfig(p)
			cfg.Rule, cfg.Liars, cfg.Senders = r.name, all[len(all)-3].Liars, true
			all = append(all, cfg)
		}
	}
	return all
}

// nameOf returns the rule and what stands before it.
func nameOf(cfg Config) string {
	name := cfg.Rule
	for _, part := range []struct {
		on   bool
		name string
	}{{cfg.ClipNorms, "clip"}, {cfg.Mix, "mix"}, {cfg.Bucket > 1, "buckets"}, {cfg.Senders, "senders"}} {
		if part.on {
			name += "+" + part.name
		}
	}
	return name
}

func planesOf(tb testing.TB, l tensor.Layout, cfg Config) Planes {
	tb.Helper()
	p, err := NewPlanes(l, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
