package yuma

// This file holds what must be true of every epoch, whatever the input.

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// randomState draws neurons with sparse rows; every boundary of the masks occurs.
func randomState(rng *rand.Rand) State {
	n := 1 + rng.IntN(23)
	s := State{Block: rng.Uint64N(20), Emission: rng.Uint64() >> rng.UintN(64), Neurons: make([]Neuron, n)}
	s.LastStep = rng.Uint64N(s.Block + 1)
	row := func() (out []Entry) {
		for j := range n {
			if rng.IntN(3) > 0 {
				out = append(out, Entry{uint16(j), uint16(rng.Uint32() >> rng.UintN(32))})
			}
		}
		return out
	}
	for i := range s.Neurons {
		s.Neurons[i] = Neuron{
			Stake: rng.Uint64() >> rng.UintN(64), LastUpdate: rng.Uint64N(20), Registered: rng.Uint64N(8),
			Permit: rng.IntN(3) > 0, Owner: rng.IntN(12) == 0, HasCommit: rng.IntN(2) == 0, Commit: rng.Uint64N(8),
			Weights: row(), Bonds: row(),
		}
	}
	return s
}

func randomParams(rng *rand.Rand) Params {
	p := DefaultParams()
	p.Version = Version(rng.IntN(2))
	p.Kappa = uint16(rng.Uint32() >> rng.UintN(32))
	p.BondsPenalty = []uint16{0, uint16(rng.Uint32()), full}[rng.IntN(3)]
	p.BondsMovingAverage = rng.Uint32N(ppm + 1)
	p.LiquidAlpha, p.LiquidDecaysAbsent = rng.IntN(2) == 0, rng.IntN(2) == 0
	a, b := uint16(rng.Uint32()), uint16(rng.Uint32())
	p.AlphaLow, p.AlphaHigh = min(a, b), max(a, b)
	p.Steepness = int16(rng.Uint32())
	p.MaxValidators = rng.IntN(24)
	p.CurrentPermits, p.CommitReveal = rng.IntN(2) == 0, rng.IntN(2) == 0
	p.StakeThreshold = rng.Uint64() >> rng.UintN(64)
	p.ActivityCutoff = rng.Uint64N(20)
	return p
}

// TestEpochBounds checks that no epoch pays more than it may, that shares stay
// shares, and that a workspace used before gives the same as a new one.
func TestEpochBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var reused Workspace
	earned := 0
	for k := range 3000 {
		p, s := randomParams(rng), randomState(rng)
		fresh, err := Epoch(p, s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := reused.Epoch(p, s)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(plain(fresh), plain(again)) {
			t.Fatalf("case %d: a reused workspace differs:\n%+v\n%+v", k, fresh, again)
		}
		if sum(fresh.Incentive) > 0 {
			earned++
		}
		checkBounds(t, s, fresh)
	}
	if earned < 300 {
		t.Errorf("only %d of 3000 cases had incentive: they test too little", earned)
	}
}

// plain makes nil and empty rows equal.
func plain(r Result) Result {
	r.Bonds = slices.Clone(r.Bonds)
	for i, row := range r.Bonds {
		r.Bonds[i] = append([]Entry{}, row...)
	}
	return r
}

func checkBounds(t *testing.T, s State, r Result) {
	t.Helper()
	for _, v := range [][]Q32{r.Stake, r.ActiveStake, r.Incentive, r.Dividends} {
		if total := sum(v); total < 0 || total > one {
			t.Fatalf("shares sum to %d: %v", total, v)
		}
	}
	var paid, combined uint64
	for i := range r.Server {
		left := s.Emission - paid
		if r.Server[i] > left || r.Validator[i] > left-r.Server[i] || r.Combined[i] > s.Emission-combined {
			t.Fatalf("more than %d is paid", s.Emission)
		}
		paid += r.Server[i] + r.Validator[i]
		combined += r.Combined[i]
		if err := checkRow(r.Bonds[i], len(s.Neurons)); err != nil {
			t.Fatal(err)
		}
		if !r.Permits[i] && len(r.Bonds[i]) > 0 {
			t.Fatalf("uid %d keeps bonds without a permit", i)
		}
	}
}

// TestMedianIsItsDefinition compares the selection with sorting, on few and many
// equal scores, and on an order that makes every pivot bad.
func TestMedianIsItsDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for k := range 20000 {
		votes := make([]vote, 1+rng.IntN(40))
		var total Q32
		for i := range votes {
			votes[i] = vote{Q32(1 + rng.IntN(1+k%50)), Q32(rng.IntN(100))}
			total += votes[i].stake
		}
		minority := Q32(rng.Int64N(int64(total)+20)) - 10
		want := medianSorted(slices.Clone(votes), minority)
		if got := median(slices.Clone(votes), minority); got != want {
			t.Fatalf("%v, minority %d: got %d, want %d", votes, minority, got, want)
		}
	}
	// Scores laid out so that the middle of three is always the second smallest.
	killer := make([]vote, 1001)
	for i := range killer {
		killer[i] = vote{Q32(min(i, len(killer)-i)), 1}
	}
	want := medianSorted(slices.Clone(killer), 700)
	if got := median(killer, 700); got != want {
		t.Fatalf("got %d, want %d", got, want)
	}
}

func TestEpochRefusesMalformedInput(t *testing.T) {
	rows := func(row ...Entry) State { return State{Neurons: []Neuron{{Weights: row}, {}}} }
	bonds := func(row ...Entry) State { return State{Neurons: []Neuron{{}, {Bonds: row}}} }
	bad := func(change func(*Params)) Params {
		p := DefaultParams()
		change(&p)
		return p
	}
	good := DefaultParams()
	for name, c := range map[string]struct {
		p Params
		s State
	}{
		"weight on a uid that is not there": {good, rows(Entry{2, 1})},
		"weights out of order":              {good, rows(Entry{1, 1}, Entry{0, 1})},
		"weight given twice":                {good, rows(Entry{1, 1}, Entry{1, 1})},
		"bond on a uid that is not there":   {good, bonds(Entry{9, 1})},
		"bonds out of order":                {good, bonds(Entry{1, 1}, Entry{0, 1})},
		"too many neurons":                  {good, State{Neurons: make([]Neuron, MaxNeurons+1)}},
		"unknown version":                   {bad(func(p *Params) { p.Version = 2 }), State{}},
		"moving average above one":          {bad(func(p *Params) { p.BondsMovingAverage = ppm + 1 }), State{}},
		"alpha reversed":                    {bad(func(p *Params) { p.AlphaLow, p.AlphaHigh = 2, 1 }), State{}},
		"negative permits":                  {bad(func(p *Params) { p.MaxValidators = -1 }), State{}},
	} {
		if _, err := Epoch(c.p, c.s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestCurrentPermits: with present permits a validator votes in its first epoch.
func TestCurrentPermits(t *testing.T) {
	s := State{Block: 2, Emission: 100, Neurons: []Neuron{
		{Stake: 5, LastUpdate: 2, Weights: []Entry{{1, 7}}}, {},
	}}
	p := DefaultParams()
	r, _ := Epoch(p, s)
	if r.Incentive[1] != 0 {
		t.Errorf("without a permit the vote counts: %v", r.Incentive)
	}
	p.CurrentPermits = true
	r, _ = Epoch(p, s)
	if r.Incentive[1] != one || r.Server[1] != 50 || r.Validator[0] != 50 {
		t.Errorf("incentive %v, server %v, validator %v", r.Incentive, r.Server, r.Validator)
	}
}

// TestStakeBeyondTheChain: shares stay right when all stake passes 64 bits.
func TestStakeBeyondTheChain(t *testing.T) {
	s := State{Neurons: []Neuron{{Stake: 1<<64 - 1}, {Stake: 1<<64 - 1}, {Stake: 1 << 63}, {Stake: 1 << 63}}}
	r, err := Epoch(DefaultParams(), s)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Q32{one / 3, one / 3, one / 6, one / 6} {
		if d := r.Stake[i] - want; d < -2 || d > 2 {
			t.Errorf("share %d is %d, want about %d", i, r.Stake[i], want)
		}
	}
}
