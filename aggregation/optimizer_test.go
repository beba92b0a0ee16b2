package aggregation

// This file compares outer optimizers with their definitions in big numbers.

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"lode/gradient"
)

func optimizerConfigs(p gradient.Params) []Config {
	var all []Config
	for _, name := range Optimizers() {
		cfg := DefaultConfig(p)
		cfg.Optimizer, cfg.Rate = name, 7*One/10
		if name != SGD {
			cfg.Momentum = 9 * One / 10
		}
		switch name {
		case FedAdam, FedYogi:
			cfg.Second, cfg.FloorExp = 99*One/100, -10
		case FedAdagrad:
			cfg.FloorExp = -10
		}
		all = append(all, cfg)
	}
	return all
}

// slow is an optimizer of one parameter in big numbers: rationals, rounded where
// the definition says so, and floats of 53 bits for adaptive ones.
type slow struct {
	cfg  Config
	m, v *big.Int
}

func q16(x uint32) *big.Rat { return new(big.Rat).SetFrac64(int64(x), One) }

// float returns x as a float of 53 bits.
func float(x *big.Int) *big.Float { return new(big.Float).SetPrec(53).SetInt(x) }

func (o *slow) advance(g *big.Int) *big.Int {
	c := o.cfg
	switch c.Optimizer {
	case SGD:
		return round(mul(g, q16(c.Rate)))
	case Nesterov:
		o.m = new(big.Int).Add(round(mul(o.m, q16(c.Momentum))), g)
		ahead := new(big.Int).Add(g, round(mul(o.m, q16(c.Momentum))))
		return round(mul(ahead, q16(c.Rate)))
	case FedAvgM:
		o.m = new(big.Int).Add(round(mul(o.m, q16(c.Momentum))), g)
		return round(mul(o.m, q16(c.Rate)))
	}
	both := mul(o.m, q16(c.Momentum))
	o.m = round(both.Add(both, mul(g, q16(One-c.Momentum))))
	o.v = o.root(g)
	num := new(big.Float).SetPrec(53).Quo(float(o.m), new(big.Float).SetPrec(53).Add(float(o.v), o.pow(c.FloorExp+c.Unit+8)))
	step := new(big.Float).SetPrec(53).Mul(num, new(big.Float).SetPrec(53).Mul(float(big.NewInt(int64(c.Rate))), o.pow(c.Unit+8-16)))
	return nearest(step, 62)
}

func (o *slow) pow(e int) *big.Float { return new(big.Float).SetMantExp(big.NewFloat(1), e) }

// root returns the next √v.
func (o *slow) root(g *big.Int) *big.Int {
	f := func() *big.Float { return new(big.Float).SetPrec(53) }
	fine := float(new(big.Int).Lsh(g, 8))
	v, square := f().Mul(float(o.v), float(o.v)), f().Mul(fine, fine)
	beta := f().Quo(float(big.NewInt(int64(o.cfg.Second))), float(big.NewInt(One)))
	rest := f().Sub(big.NewFloat(1), beta)
	switch o.cfg.Optimizer {
	case FedAdam:
		v = f().Add(f().Mul(beta, v), f().Mul(rest, square))
	case FedYogi:
		change := f().Mul(rest, square)
		switch v.Cmp(square) {
		case 1:
			v = f().Sub(v, change)
		case -1:
			v = f().Add(v, change)
		}
	case FedAdagrad:
		v = f().Add(v, square)
	}
	return nearest(f().Sqrt(v), 52)
}

// nearest returns x rounded to an integer of at most 2^bits in magnitude.
func nearest(x *big.Float, bits uint) *big.Int {
	r, _ := x.Rat(nil)
	n, limit := round(r), new(big.Int).Lsh(big.NewInt(1), bits)
	if n.CmpAbs(limit) > 0 {
		return limit.Mul(limit, big.NewInt(int64(n.Sign())))
	}
	return n
}

// Every optimizer equals its definition over many rounds of gradients of all
// sizes, extremes and silence among them, and its integers stay within what it
// says.
func TestOptimizersAreTheirDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, cfg := range optimizerConfigs(gradient.DefaultParams()) {
		for trial := range 40 {
			if trial%4 == 3 {
				cfg.Unit, cfg.FloorExp = 36, 0
				cfg.Rate = 4 * One
				if cfg.Optimizer != SGD {
					cfg.Momentum = One - 1
				}
				if cfg.Optimizer == FedAdam || cfg.Optimizer == FedYogi || cfg.Optimizer == FedAdagrad {
					cfg.FloorExp = -cfg.Unit
				}
			}
			opt, err := newOptimizer(cfg)
			if err != nil {
				t.Fatal(err)
			}
			planes := make([][]int64, len(opt.Planes()))
			for p := range planes {
				planes[p] = []int64{0}
			}
			twin := &slow{cfg, new(big.Int), new(big.Int)}
			for round := range 60 {
				g := drawValue(r)
				if round%10 > 6 {
					g = 0
				}
				vals := []int64{g}
				opt.Advance(vals, planes)
				if want := twin.advance(big.NewInt(g)); !want.IsInt64() || vals[0] != want.Int64() {
					t.Fatalf("%s, round %d: g = %d gives %d, want %v", cfg.Optimizer, round, g, vals[0], want)
				}
				for p, within := range opt.Planes() {
					want := []*big.Int{twin.m, twin.v}[p].Int64()
					if v := planes[p][0]; v != want || v < within.Min || v > within.Max {
						t.Fatalf("%s, round %d: plane %d is %d, want %d from %d to %d", cfg.Optimizer, round, p, v, want, within.Min, within.Max)
					}
				}
			}
		}
	}
}

// From the ends of what the planes may be, the largest gradients lead nowhere
// beyond them.
func TestOptimizersStayWithinBounds(t *testing.T) {
	for _, cfg := range optimizerConfigs(gradient.DefaultParams()) {
		if cfg.Optimizer != SGD {
			cfg.Momentum = One - 1
		}
		cfg.Rate = 4 * One
		opt, err := newOptimizer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []int64{1 << valueBits, -1 << valueBits, 0, 1} {
			for _, end := range []func(Range) int64{func(r Range) int64 { return r.Min }, func(r Range) int64 { return r.Max }} {
				planes := make([][]int64, len(opt.Planes()))
				for p, within := range opt.Planes() {
					planes[p] = []int64{end(within)}
				}
				vals := []int64{g}
				opt.Advance(vals, planes)
				for p, within := range opt.Planes() {
					if v := planes[p][0]; v < within.Min || v > within.Max {
						t.Errorf("%s: g = %d leads plane %d to %d", cfg.Optimizer, g, p, v)
					}
				}
				if vals[0] == math.MinInt64 {
					t.Errorf("%s: g = %d: the step overflows", cfg.Optimizer, g)
				}
			}
		}
	}
}

// Adaptive steps are as long as the rate, whatever the size of gradients.
func TestAdaptiveStepsDoNotScale(t *testing.T) {
	for _, cfg := range optimizerConfigs(gradient.DefaultParams())[3:] {
		cfg.FloorExp = -40
		opt, err := newOptimizer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var last [2]int64
		for i, g := range []int64{1 << 20, 1 << 40} {
			planes := [][]int64{{0}, {0}}
			for range 5 {
				vals := []int64{g}
				opt.Advance(vals, planes)
				last[i] = vals[0]
			}
		}
		if ratio := float64(last[1]) / float64(last[0]); math.Abs(ratio-1) > 1e-3 || last[0] < 1<<36 {
			t.Errorf("%s: steps %d and %d", cfg.Optimizer, last[0], last[1])
		}
	}
}
