package aggregation

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

// twin merges one parameter after another in rationals: the definition.
type twin struct {
	cfg   Config
	plane []*big.Int
}

// round returns x to nearest, ties to even.
func round(x *big.Rat) *big.Int {
	two := big.NewInt(2)
	q, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	rest.Abs(rest).Mul(rest, two)
	c := rest.Cmp(x.Denom())
	if c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(int64(x.Sign())))
	}
	return q
}

// pow2 returns 2^e.
func pow2(e int) *big.Rat {
	p := new(big.Int).Lsh(big.NewInt(1), uint(max(e, -e)))
	if e < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}

func mul(x *big.Int, y *big.Rat) *big.Rat { return new(big.Rat).Mul(new(big.Rat).SetInt(x), y) }

// value returns the step of parameter i, in units of 2^−Unit.
func (tw *twin) value(i int, decoded []tensor.Flat, cs []Contribution) *big.Int {
	sum := new(big.Int)
	for w, c := range cs {
		x := new(big.Rat).SetFloat64(float64(decoded[w][i]))
		x.Mul(x, pow2(tw.cfg.Unit)).Mul(x, new(big.Rat).SetFrac64(int64(c.Clip), 1<<32))
		sum.Add(sum, round(x))
	}
	g := round(new(big.Rat).SetFrac(sum, big.NewInt(int64(len(cs)))))
	if tw.cfg.Optimizer == "nesterov" {
		mu := new(big.Rat).SetFrac64(int64(tw.cfg.Momentum), One)
		v := round(mul(tw.plane[i], mu))
		v.Add(v, g)
		tw.plane[i] = v
		g = g.Add(g, round(mul(v, mu)))
	}
	return round(mul(g, new(big.Rat).SetFrac64(int64(tw.cfg.Rate), One)))
}

// quantise returns the integers and the exponent of a chunk of values.
func (tw *twin) quantise(vals []*big.Int) ([]int64, int) {
	limit := big.NewInt(1<<tw.cfg.StepBits - 1)
	for shift := 0; ; shift++ {
		qs, fits, moved := make([]int64, len(vals)), true, false
		last := shift-tw.cfg.Unit == tw.cfg.StepEMax
		for i, v := range vals {
			q := round(mul(v, pow2(-shift)))
			if q.CmpAbs(limit) > 0 {
				fits = false
				q.Mul(limit, big.NewInt(int64(q.Sign())))
			}
			qs[i] = q.Int64()
			moved = moved || qs[i] != 0
		}
		if !moved {
			return qs, 0
		}
		if fits || last {
			return qs, shift - tw.cfg.Unit
		}
	}
}

// Merging equals its definition in rationals, over rounds, for every kind of
// setting; so does the state it leaves.
func TestMergeIsTheDefinition(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{3, 1500}}, tensor.Spec{Name: "b", Shape: []int{20}})
	r := rand.New(rand.NewPCG(1, 1))
	trials := 12
	if testing.Short() {
		trials = 4
	}
	for trial := range trials {
		p := gradient.Params{Codec: gradient.TopK, K: 1 + r.IntN(600), Bits: 2, EMin: -40, EMax: -4}
		cfg := DefaultConfig(p)
		if trial%2 == 1 {
			cfg = nesterovConfig(p)
			cfg.Momentum = 1 + r.Uint32N(One-1)
		}
		cfg.Rate = 1 + r.Uint32N(4*One)
		cfg.Unit = []int{40, 40, 30, 24, 36, 20}[trial%6]
		cfg.StepBits = 2 + r.IntN(23)
		if trial%3 == 2 {
			cfg.StepEMax = -cfg.Unit + 4 // saturates
		}
		state := planesOf(t, l, cfg)
		tw := &twin{cfg: cfg, plane: make([]*big.Int, l.Len())}
		for i := range tw.plane {
			tw.plane[i] = new(big.Int)
		}
		for round := range 3 {
			cs := contributions(t, l, p, uint64(100*trial+round), 1+r.IntN(7))
			compare(t, l, tw, mustMerge(t, l, cfg, cs, state), cs)
			for i, v := range tw.plane {
				if len(state) > 0 && state[0][i] != v.Int64() {
					t.Fatalf("trial %d, round %d: state %d is %d, want %v", trial, round, i, state[0][i], v)
				}
			}
		}
	}
}

func compare(t *testing.T, l tensor.Layout, tw *twin, s *Step, cs []Contribution) {
	t.Helper()
	decoded := make([]tensor.Flat, len(cs))
	for w, c := range cs {
		decoded[w] = make(tensor.Flat, l.Len())
		if err := tensor.Copy(l, decoded[w], c.Update.(*gradient.Update)); err != nil {
			t.Fatal(err)
		}
	}
	for c := range l.Chunks() {
		vals := make([]*big.Int, c.Len)
		for i := range vals {
			vals[i] = tw.value(c.Offset+i, decoded, cs)
		}
		want, wantExp := tw.quantise(vals)
		entries, exp := s.Entries(nil, c)
		got := make([]int64, c.Len)
		for _, e := range entries {
			got[e.Pos] = e.Value
		}
		if exp != wantExp || !slices.Equal(got, want) {
			t.Fatalf("%+v: chunk %v: exponent %d, want %d; integers\n%v, want\n%v", tw.cfg, c, exp, wantExp, got, want)
		}
	}
}

// Neither the order of arrival nor the number of cores changes a byte.
func TestMergeDoesNotDependOnOrderOrCores(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{50, 3000}})
	p := gradient.DefaultParams()
	cfg := nesterovConfig(p)
	cs := contributions(t, l, p, 1, 9)
	r := rand.New(rand.NewPCG(2, 2))
	var want []byte
	var wantState Planes
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for i := range 8 {
		runtime.GOMAXPROCS(1 + i%4)
		state := planesOf(t, l, cfg)
		mustMerge(t, l, cfg, cs[:3], state)
		s := mustMerge(t, l, cfg, cs, state)
		if want == nil {
			want, wantState = s.Plain(), state
		}
		if string(s.Plain()) != string(want) || !slices.Equal(state[0], wantState[0]) {
			t.Fatalf("merge %d differs", i)
		}
		r.Shuffle(3, func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
		r.Shuffle(6, func(i, j int) { cs[3+i], cs[3+j] = cs[3+j], cs[3+i] })
	}
}

// Nobody contributed: nothing moves, momentum included.
func TestMergeOfNone(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	cfg := nesterovConfig(p)
	state := planesOf(t, l, cfg)
	mustMerge(t, l, cfg, contributions(t, l, p, 1, 2), state)
	before := slices.Clone(state[0])
	s := mustMerge(t, l, cfg, nil, state)
	if s.NumNonzero() != 0 || !slices.Equal(before, state[0]) {
		t.Errorf("%d parameters move", s.NumNonzero())
	}
	if _, err := ParseStepWire(l, cfg, s.Wire()); err != nil {
		t.Error(err)
	}
}

// The largest values there are, from as many workers as a short test bears, and
// the momentum they build up, stay within their bounds.
func TestMergeOfExtremes(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{2, 8}})
	p := gradient.Params{Codec: gradient.TopK, K: tensor.ChunkLen, Bits: 2, EMin: -40, EMax: -4}
	cfg := nesterovConfig(p)
	cfg.Rate, cfg.Momentum, cfg.StepEMax = 4*One, One-1, 64
	a := make(tensor.Flat, l.Len())
	for i := range a {
		a[i] = 1e30
	}
	cs := slices.Repeat([]Contribution{{Update: encode(t, l, p, a), Clip: gradient.Unclipped}}, cfg.MaxWorkers)
	state := planesOf(t, l, cfg)
	for range 3 {
		mustMerge(t, l, cfg, cs, state)
	}
	for i := range state[0] {
		state[0][i] = stateBound
	}
	s := mustMerge(t, l, cfg, cs, state)
	for i, v := range state[0] {
		if v > stateBound || v < stateBound-1<<44 {
			t.Fatalf("momentum %d is %d, bound %d", i, v, stateBound)
		}
	}
	if e, exp := s.Entries(nil, tensor.Chunk{Len: 16}); len(e) != 16 || e[0].Value <= 0 || exp < 0 {
		t.Errorf("step %v·2^%d", e, exp)
	}
	if got := (&fixed{int(p.EMin), cfg.Unit, gradient.Unclipped}).Round(255 << (p.EMax - p.EMin)); got > 1<<valueBits || got < 1<<(valueBits-1) {
		t.Errorf("largest value %d, bound 2^%d", got, valueBits)
	}
}

type brokenState struct{ Planes }

var errDisk = errors.New("disk is full")

func (brokenState) WritePlane(int, tensor.Chunk, []int64) error { return errDisk }

func TestMergeRefuses(t *testing.T) {
	l := model(t)
	p := gradient.DefaultParams()
	cfg := nesterovConfig(p)
	cs := contributions(t, l, p, 1, 2)
	other := p
	other.K = 32
	far := planesOf(t, l, cfg)
	far[0][100] = stateBound + 1
	over := append(slices.Clone(cs), Contribution{Update: cs[0].Update, Clip: gradient.Unclipped + 1})
	few := cfg
	few.MaxWorkers = 1
	for _, c := range []struct {
		name  string
		cfg   Config
		cs    []Contribution
		state State
		want  error
	}{
		{"no state", cfg, cs, nil, gradient.ErrParams},
		{"clip factor above 1", cfg, over, planesOf(t, l, cfg), gradient.ErrParams},
		{"too many", few, cs, planesOf(t, l, cfg), gradient.ErrParams},
		{"other parameters", cfg, contributions(t, l, other, 1, 1), planesOf(t, l, cfg), gradient.ErrParams},
		{"other layout", cfg, contributions(t, layoutOf(t, tensor.Spec{Name: "w", Shape: []int{l.Len(), 1}}), p, 1, 1), planesOf(t, l, cfg), gradient.ErrLayout},
		{"state out of range", cfg, cs, far, gradient.ErrMalformed},
		{"state that fails", cfg, cs, brokenState{planesOf(t, l, cfg)}, errDisk},
		{"no configuration", Config{}, nil, nil, gradient.ErrParams},
	} {
		if _, err := Merge(l, c.cfg, c.cs, c.state); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	good := DefaultConfig(gradient.DefaultParams())
	if err := errors.Join(good.Validate(), nesterovConfig(good.Params).Validate()); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Config){
		"rule":            func(c *Config) { c.Rule = "median of nothing" },
		"optimizer":       func(c *Config) { c.Optimizer = "" },
		"sgd, momentum":   func(c *Config) { c.Momentum = 1 },
		"momentum 0":      func(c *Config) { c.Optimizer = "nesterov" },
		"momentum 1":      func(c *Config) { c.Optimizer, c.Momentum = "nesterov", One },
		"no rule":         func(c *Config) { c.Rule = "" },
		"liars, mean":     func(c *Config) { c.Liars = 1 },
		"no liars":        func(c *Config) { c.Rule = Krum },
		"mixing, 0 liars": func(c *Config) { c.Mix = true },
		"too many liars":  func(c *Config) { c.Rule, c.Liars = TrimmedMean, 5000 },
		"mixed buckets":   func(c *Config) { c.Mix, c.Liars, c.Bucket = true, 1, 2 },
		"bucket":          func(c *Config) { c.Bucket = 65 },
		"bucket below 0":  func(c *Config) { c.Bucket = -1 },
		"whole senders":   func(c *Config) { c.Rule, c.Senders = GeometricMedian, true },
		"mixed senders":   func(c *Config) { c.Mix, c.Liars, c.Senders = true, 1, true },
		"weighted median": func(c *Config) { c.Rule, c.MaxSamples = Median, 9 },
		"weights, mixing": func(c *Config) { c.MaxSamples, c.Bucket = 9, 2 },
		"weighted sender": func(c *Config) { c.MaxSamples, c.Senders = 9, true },
		"whole crowds":    func(c *Config) { c.Rule, c.MaxWorkers = CentredClipping, 1<<12+1 },
		"sgd, second":     func(c *Config) { c.Second = 1 },
		"sgd, floor":      func(c *Config) { c.FloorExp = -1 },
		"heavy, second":   func(c *Config) { c.Optimizer, c.Momentum, c.Second = FedAvgM, 1, 1 },
		"adam, second 0":  func(c *Config) { c.Optimizer = FedAdam },
		"yogi, momentum":  func(c *Config) { c.Optimizer, c.Second, c.Momentum = FedYogi, 1, One },
		"adam, second 1":  func(c *Config) { c.Optimizer, c.Second = FedAdam, One },
		"adagrad, second": func(c *Config) { c.Optimizer, c.Second = FedAdagrad, 1 },
		"adagrad, floor":  func(c *Config) { c.Optimizer, c.FloorExp = FedAdagrad, 1 },
		"adagrad, deep":   func(c *Config) { c.Optimizer, c.FloorExp = FedAdagrad, -41 },
		"rate 0":          func(c *Config) { c.Rate = 0 },
		"rate":            func(c *Config) { c.Rate = 4*One + 1 },
		"unit":            func(c *Config) { c.Unit = -1 },
		"unit too fine":   func(c *Config) { c.Unit = 41 },
		"bits":            func(c *Config) { c.StepBits = 25 },
		"one bit":         func(c *Config) { c.StepBits = 1 },
		"exponent":        func(c *Config) { c.StepEMax = 65 },
		"exponent low":    func(c *Config) { c.StepEMax = -41 },
		"no workers":      func(c *Config) { c.MaxWorkers = 0 },
		"too many":        func(c *Config) { c.MaxWorkers = 1<<18 + 1 },
		"far too many":    func(c *Config) { c.Unit, c.MaxWorkers = 0, 1<<20+1 },
		"update settings": func(c *Config) { c.Params.K = 0 },
	} {
		cfg := good
		edit(&cfg)
		if err := cfg.Validate(); !errors.Is(err, gradient.ErrParams) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
