package aggregation

// This file tests roundings one by one, and merges at the bounds that they rely on.

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

// Every rounding is half to even, at ties and next to them.
func TestRoundingsAreHalfEven(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	// near returns a number of at most so many bits, of which the lowest shift are
	// often a half, or one more or less.
	near := func(bits, shift int) uint64 {
		x := r.Uint64() >> (64 - bits) >> r.IntN(bits)
		if shift > 0 && shift < bits && r.IntN(4) > 0 {
			x = x>>shift<<shift + 1<<(shift-1) + uint64(r.IntN(3)) - 1
		}
		return x & (1<<bits - 1)
	}
	for range 30_000 {
		shift := r.IntN(70)
		x := near(63, shift)
		want := round(mul(new(big.Int).SetUint64(x), pow2(-shift)))
		if got := roundShift(x, uint(shift)); got != want.Uint64() {
			t.Fatalf("%d·2^−%d rounds to %d, want %v", x, shift, got, want)
		}
		if got := shiftSigned(-int64(x), uint(shift)); got != -want.Int64() {
			t.Fatalf("−%d·2^−%d rounds to %d, want −%v", x, shift, got, want)
		}
		factor := r.Uint32N(maxRate + 1)
		y := signed(near(60, 16-min(r.IntN(17), 16)), r.IntN(2) == 0)
		if want := round(mul(big.NewInt(y), q16(factor))); scale(y, factor) != want.Int64() {
			t.Fatalf("%d times %d/2^16 is %d, want %v", y, factor, scale(y, factor), want)
		}
		// A clip of 2^32/2^n makes ties.
		clip := gradient.Clip(near(32, 0))
		if r.IntN(2) == 0 {
			clip = gradient.Unclipped >> r.IntN(33)
		}
		unit := r.IntN(maxUnit + 1)
		exp := max(gradient.MinExponent, -unit-r.IntN(100))
		value := signed(near(valueBits, min(-exp-unit, valueBits-1)), r.IntN(2) == 0)
		exact := mul(new(big.Int).Mul(big.NewInt(value), new(big.Int).SetUint64(uint64(clip))), pow2(exp+unit-32))
		if got, want := (&fixed{exp, unit, clip}).Round(value), round(exact); got != want.Int64() {
			t.Fatalf("%d·2^%d·%d/2^32 in units of 2^−%d is %d, want %v", value, exp, clip, unit, got, want)
		}
	}
}

// As many workers as may be, all with the largest values there are, overflow nothing.
// Rules that sort rows add up no more, and would take gigabytes.
func TestWorkersAtTheirBound(t *testing.T) {
	if testing.Short() {
		t.Skip("merges 2^18 updates")
	}
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{1, 2}})
	p := gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4}
	top := encode(t, l, p, tensor.Flat{1e30, -1e30})
	low := encode(t, l, p, tensor.Flat{-1e30, 1e30})
	for _, c := range []struct {
		rule       string
		maxSamples uint32
	}{{Mean, 0}, {Mean, math.MaxUint32}, {SignMajority, 0}} {
		rule, cfg := c.rule, DefaultConfig(p)
		cfg.Rule, cfg.MaxSamples, cfg.MaxWorkers = rule, c.maxSamples, 1<<(sumBits-valueBits)
		beyond := cfg
		beyond.MaxWorkers++
		if beyond.Validate() == nil {
			t.Fatalf("%s: %d workers are not refused", rule, beyond.MaxWorkers)
		}
		cs := slices.Repeat([]Contribution{{Update: top, Clip: gradient.Unclipped, Samples: math.MaxUint32}}, cfg.MaxWorkers)
		largest := mustCombine(t, l, cfg, cs)
		if largest[0] != -largest[1] || largest[0] <= 1<<(valueBits-1) || largest[0] > 1<<valueBits {
			t.Errorf("%s: %v, want what each of them says, at most 2^%d", rule, largest, valueBits)
		}
		for i := range cs[:len(cs)/2] {
			cs[i].Update = low
		}
		if got := mustCombine(t, l, cfg, cs); got[0] != 0 || got[1] != 0 {
			t.Errorf("%s: half against half gives %v", rule, got)
		}
	}
}

// However large one value is, other chunks are what they are without it, and so are
// the other places of its own where the exponent has a bound.
func TestSpikeErasesNothing(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, tensor.ChunkLen}})
	p := gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4}
	cfg := DefaultConfig(p)
	cfg.StepBits = maxStepBits
	const at = 7
	merged := func(spike float32) *Step {
		var cs []Contribution
		for w := range uint64(3) {
			a := heavyTail(w, l.Len())
			if w == 1 {
				a[at] = spike
			}
			cs = append(cs, Contribution{Update: encode(t, l, p, a), Clip: gradient.Unclipped})
		}
		return mustMerge(t, l, cfg, cs, nil)
	}
	first, second := tensor.Chunk{Len: tensor.ChunkLen}, tensor.Chunk{Index: 1, Offset: tensor.ChunkLen, Len: tensor.ChunkLen}
	_, cfg.StepEMax = merged(0).Entries(nil, first)
	calm, wild := merged(0), merged(-3e38)
	if !slices.Equal(calm.chunk(second), wild.chunk(second)) {
		t.Error("a spike changes another chunk")
	}
	want, _ := calm.Entries(nil, first)
	got, exp := wild.Entries(nil, first)
	others := func(entries []gradient.Entry) []gradient.Entry {
		return slices.DeleteFunc(slices.Clone(entries), func(e gradient.Entry) bool { return e.Pos == at })
	}
	if exp != cfg.StepEMax || !slices.Equal(others(got), others(want)) {
		t.Errorf("a spike changes other places of its chunk: exponent %d, bound %d", exp, cfg.StepEMax)
	}
	if i := slices.IndexFunc(got, func(e gradient.Entry) bool { return e.Pos == at }); i < 0 || got[i].Value != -(1<<24-1) {
		t.Errorf("the spike is %v, want −(2^24 − 1)", got)
	}
}
