package yuma

// This file holds the comparison of one epoch with its golden case, number by
// number: stored integers and every 32-bit fraction.

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
)

type caseParams struct {
	Version       string
	Kappa         uint16
	BondPenalty   uint16  `json:"bond_penalty"`
	MovingAverage uint32  `json:"bonds_moving_average"`
	Liquid        bool    `json:"liquid_alpha"`
	AlphaLow      uint16  `json:"alpha_low"`
	AlphaHigh     uint16  `json:"alpha_high"`
	Steepness     int16   `json:"alpha_sigmoid_steepness"`
	MaxValidators int     `json:"max_allowed_validators"`
	Threshold     uint64  `json:"stake_threshold"`
	Cutoff        uint64  `json:"activity_cutoff"`
	Tempo         uint64  `json:"tempo"`
	Owner         *uint16 `json:"owner_uid"`
	CommitReveal  bool    `json:"commit_reveal"`
	Emission      uint64  `json:"rao_emission"`
	Sparse        bool    `json:"sparse"`
}

// params maps a case's parameters. The chain's dense twin, which only tests use,
// knows no owner and no commits and lets liquid bonds decay.
func (c caseParams) params(t *testing.T) Params {
	t.Helper()
	p := Params{
		Kappa: c.Kappa, BondsPenalty: c.BondPenalty, BondsMovingAverage: c.MovingAverage,
		LiquidAlpha: c.Liquid, AlphaLow: c.AlphaLow, AlphaHigh: c.AlphaHigh, Steepness: c.Steepness,
		LiquidDecaysAbsent: !c.Sparse, MaxValidators: c.MaxValidators, StakeThreshold: c.Threshold,
		ActivityCutoff: c.Cutoff, Tempo: c.Tempo, CommitReveal: c.CommitReveal && c.Sparse,
	}
	switch c.Version {
	case "yuma2":
		p.Version = Yuma2
	case "yuma3":
	default:
		t.Fatalf("version %q", c.Version)
	}
	return p
}

type caseInput struct {
	N          int
	Block      uint64
	LastStep   uint64 `json:"last_step_block"`
	Stake      []uint64
	LastUpdate []uint64 `json:"last_update"`
	Registered []uint64
	Permits    []bool
	Weights    map[string][][2]uint16 `json:"weights_sparse"`
	Bonds      [][]uint16             `json:"prior_bonds"`
	Commit     []*uint64              `json:"commit_block"`
}

// state builds the input; vectors of the wrong length lack or repeat nothing: what
// is missing is zero, what is too much is ignored.
func (in caseInput) state(t *testing.T, p caseParams) State {
	t.Helper()
	s := State{Block: in.Block, LastStep: in.LastStep, Emission: p.Emission, Neurons: make([]Neuron, in.N)}
	for i := range s.Neurons {
		nn := &s.Neurons[i]
		nn.Stake = at(in.Stake, i)
		nn.LastUpdate = at(in.LastUpdate, i)
		nn.Registered = at(in.Registered, i)
		nn.Permit = at(in.Permits, i)
		nn.Owner = p.Sparse && p.Owner != nil && int(*p.Owner) == i
		if c := at(in.Commit, i); c != nil {
			nn.HasCommit, nn.Commit = true, *c
		}
		for j, v := range at(in.Bonds, i) {
			if v > 0 {
				nn.Bonds = append(nn.Bonds, Entry{uint16(j), v})
			}
		}
	}
	for key, row := range in.Weights {
		i, err := strconv.Atoi(key)
		if err != nil || i >= in.N {
			t.Fatalf("weights of %q of %d", key, in.N)
		}
		for _, e := range row {
			s.Neurons[i].Weights = append(s.Neurons[i].Weights, Entry{e[0], e[1]})
		}
	}
	return s
}

// at returns v[i], or zero where v is too short.
func at[T any](v []T, i int) (x T) {
	if i < len(v) {
		x = v[i]
	}
	return x
}

type caseExpect struct {
	StakeWeight    []float64 `json:"stake_weight"`
	ActiveStake    []float64 `json:"active_stake"`
	Consensus      []float64
	ValidatorTrust []float64 `json:"validator_trust"`
	Incentive      []float64
	Dividends      []float64
	Trust          []float64
	Rank           []float64

	StakeWeightU16    []uint16 `json:"stake_weight_u16"`
	ConsensusU16      []uint16 `json:"consensus_u16"`
	ValidatorTrustU16 []uint16 `json:"validator_trust_u16"`
	IncentiveU16      []uint16 `json:"incentive_u16"`
	DividendsU16      []uint16 `json:"dividends_u16"`

	Server    []uint64   `json:"server_emission"`
	Validator []uint64   `json:"validator_emission"`
	Combined  []uint64   `json:"emission"`
	Permits   []bool     `json:"new_permits"`
	Active    []bool     `json:"active"`
	Bonds     [][]uint16 `json:"bonds_u16"`
}

func (want caseExpect) compare(t *testing.T, at string, n int, r Result) {
	t.Helper()
	for _, v := range []struct {
		name string
		want []float64
		got  []Q32
	}{
		{"stake", want.StakeWeight, r.Stake},
		{"active stake", want.ActiveStake, r.ActiveStake},
		{"consensus", want.Consensus, r.Consensus},
		{"validator trust", want.ValidatorTrust, r.ValidatorTrust},
		{"incentive", want.Incentive, r.Incentive},
		{"dividends", want.Dividends, r.Dividends},
		{"trust", want.Trust, r.Trust},
		{"rank", want.Rank, r.Rank},
	} {
		same(t, at+v.name, fractions(v.want), v.got)
	}
	same(t, at+"stake u16", want.StakeWeightU16, stored(r.Stake))
	same(t, at+"consensus u16", want.ConsensusU16, stored(r.Consensus))
	same(t, at+"validator trust u16", want.ValidatorTrustU16, stored(r.ValidatorTrust))
	same(t, at+"incentive u16", want.IncentiveU16, stored(r.Incentive))
	same(t, at+"dividends u16", want.DividendsU16, stored(r.Dividends))
	same(t, at+"server", want.Server, r.Server)
	same(t, at+"validator", want.Validator, r.Validator)
	same(t, at+"emission", want.Combined, r.Combined)
	same(t, at+"permits", want.Permits, r.Permits)
	same(t, at+"active", want.Active, r.Active)
	if len(want.Bonds) != n {
		t.Errorf("%sbonds: %d rows wanted of %d", at, len(want.Bonds), n)
		return
	}
	for i, row := range want.Bonds {
		same(t, fmt.Sprintf("%sbonds of %d", at, i), row, dense(r.Bonds[i], n))
	}
}

func same[T comparable](t *testing.T, what string, want, got []T) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// fractions recovers the 32 fraction bits: ten printed decimals lie closer to the
// true value than half a unit of 2⁻³².
func fractions(v []float64) []Q32 {
	out := make([]Q32, len(v))
	for i, x := range v {
		out[i] = Q32(math.Round(x * (1 << 32)))
	}
	return out
}

func stored(v []Q32) []uint16 {
	out := make([]uint16, len(v))
	for i, x := range v {
		out[i] = x.Uint16()
	}
	return out
}

func dense(row []Entry, n int) []uint16 {
	out := make([]uint16, n)
	for _, e := range row {
		out[e.UID] = e.Value
	}
	return out
}

func decode(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func checkEpochCase(t *testing.T, raw json.RawMessage) int {
	var c struct {
		Params caseParams
		Expect caseExpect
		caseInput
	}
	decode(t, raw, &c)
	r, err := Epoch(c.Params.params(t), c.state(t, c.Params))
	if err != nil {
		t.Fatal(err)
	}
	c.Expect.compare(t, "", c.N, r)
	return 1
}

func checkSequenceCase(t *testing.T, raw json.RawMessage) int {
	var c struct {
		Params caseParams
		Epochs []struct {
			Input  caseInput
			Expect caseExpect
		}
	}
	decode(t, raw, &c)
	if len(c.Epochs) == 0 {
		t.Fatal("no steps")
	}
	var w Workspace
	for k, e := range c.Epochs {
		r, err := w.Epoch(c.Params.params(t), e.Input.state(t, c.Params))
		if err != nil {
			t.Fatal(err)
		}
		e.Expect.compare(t, fmt.Sprintf("step %d: ", k), e.Input.N, r)
	}
	return len(c.Epochs)
}
