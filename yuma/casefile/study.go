package casefile

// This file holds the studies: their rules, epochs and results.

import (
	"encoding/json"
	"errors"
	"fmt"

	"lode/yuma/study"
)

// StudyOutcome is what one epoch of a study gave: consensus and incentive by server,
// dividends by validator, bonds by both.
type StudyOutcome struct {
	Consensus []float64   `json:"consensus"`
	Incentive []float64   `json:"incentive"`
	Dividends []float64   `json:"dividends"`
	Bonds     [][]float64 `json:"bonds"`
}

// studyParams is the JSON form of a simulator's rules; a nil field is absent.
type studyParams struct {
	Version      string   `json:"version"`
	Kappa        *float64 `json:"kappa"`
	BondsPenalty *float64 `json:"bond_penalty"`
	Take         *float64 `json:"bonds_alpha"`
	Liquid       bool     `json:"liquid"`
	AlphaLow     *float64 `json:"alpha_low"`
	AlphaHigh    *float64 `json:"alpha_high"`
	Steepness    *float64 `json:"steep"`
	Purchase     *float64 `json:"capacity_alpha"`
	Decay        *float64 `json:"decay_rate"`
}

func (p studyParams) rules() (study.Params, error) {
	rule, err := study.ParseRule(p.Version)
	if err != nil {
		return study.Params{}, err
	}
	r := study.DefaultParams(rule)
	r.Liquid = p.Liquid
	for _, x := range []struct {
		into *float64
		from *float64
	}{
		{&r.Kappa, p.Kappa},
		{&r.BondsPenalty, p.BondsPenalty},
		{&r.Take, p.Take},
		{&r.AlphaLow, p.AlphaLow},
		{&r.AlphaHigh, p.AlphaHigh},
		{&r.Steepness, p.Steepness},
		{&r.Purchase, p.Purchase},
		{&r.Decay, p.Decay},
	} {
		if x.from != nil {
			*x.into = *x.from
		}
	}
	return r, nil
}

func runStudy(raw []byte) ([]StudyOutcome, error) {
	var f struct {
		Params studyParams
		Epochs []struct {
			Stake   []float64   `json:"stake"`
			Weights [][]float64 `json:"weights"`
		}
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	rules, err := f.Params.rules()
	if err != nil {
		return nil, err
	}
	sim, err := study.New(rules)
	if err != nil {
		return nil, err
	}
	if len(f.Epochs) == 0 {
		return nil, errors.New("no epochs")
	}
	out := make([]StudyOutcome, len(f.Epochs))
	for k, e := range f.Epochs {
		o, err := sim.Epoch(e.Stake, e.Weights)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", k, err)
		}
		out[k] = StudyOutcome{o.Consensus, o.Incentive, o.Dividends, o.Bonds}
	}
	return out, nil
}
