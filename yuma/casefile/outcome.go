package casefile

// This file holds the JSON form of an epoch's result.

import (
	"math"

	"lode/yuma"
)

// Outcome is what one epoch gave, by uid: fractions with ten decimals, which
// determine all 32 bits, the same as they are stored, and amounts.
type Outcome struct {
	StakeWeight    []float64 `json:"stake_weight"`
	ActiveStake    []float64 `json:"active_stake"`
	Consensus      []float64 `json:"consensus"`
	ValidatorTrust []float64 `json:"validator_trust"`
	Incentive      []float64 `json:"incentive"`
	Dividends      []float64 `json:"dividends"`
	Trust          []float64 `json:"trust"`
	Rank           []float64 `json:"rank"`

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

// newOutcome copies a result.
func newOutcome(r yuma.Result) Outcome {
	n := len(r.Stake)
	o := Outcome{
		StakeWeight: fractions(r.Stake), ActiveStake: fractions(r.ActiveStake), Consensus: fractions(r.Consensus),
		ValidatorTrust: fractions(r.ValidatorTrust), Incentive: fractions(r.Incentive), Dividends: fractions(r.Dividends),
		Trust: fractions(r.Trust), Rank: fractions(r.Rank),
		StakeWeightU16: stored(r.Stake), ConsensusU16: stored(r.Consensus), ValidatorTrustU16: stored(r.ValidatorTrust),
		IncentiveU16: stored(r.Incentive), DividendsU16: stored(r.Dividends),
		Server: clone(r.Server), Validator: clone(r.Validator), Combined: clone(r.Combined),
		Permits: clone(r.Permits), Active: clone(r.Active), Bonds: make([][]uint16, n),
	}
	for i, row := range r.Bonds {
		o.Bonds[i] = make([]uint16, n)
		for _, e := range row {
			o.Bonds[i][e.UID] = e.Value
		}
	}
	return o
}

func fractions(v []yuma.Q32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.RoundToEven(float64(x)/(1<<32)*1e10) / 1e10
	}
	return out
}

func stored(v []yuma.Q32) []uint16 {
	out := make([]uint16, len(v))
	for i, x := range v {
		out[i] = x.Uint16()
	}
	return out
}

// clone returns a copy that is never nil, so that JSON has a list.
func clone[T any](v []T) []T { return append(make([]T, 0, len(v)), v...) }
