package casefile

// This file holds the rules of epochs.

import (
	"fmt"

	"lode/yuma"
)

// params is the JSON form of the rules; it is decoded over its defaults.
type params struct {
	Version            string  `json:"version"`
	Kappa              uint16  `json:"kappa"`
	BondsPenalty       uint16  `json:"bond_penalty"`
	MovingAverage      uint32  `json:"bonds_moving_average"`
	Liquid             bool    `json:"liquid_alpha"`
	AlphaLow           uint16  `json:"alpha_low"`
	AlphaHigh          uint16  `json:"alpha_high"`
	Steepness          int16   `json:"alpha_sigmoid_steepness"`
	MaxValidators      int     `json:"max_allowed_validators"`
	Threshold          uint64  `json:"stake_threshold"`
	Cutoff             uint64  `json:"activity_cutoff"`
	Tempo              uint64  `json:"tempo"`
	Owner              *uint16 `json:"owner_uid"`
	CommitReveal       bool    `json:"commit_reveal"`
	Emission           uint64  `json:"rao_emission"`
	Sparse             bool    `json:"sparse"`
	LiquidDecaysAbsent bool    `json:"liquid_decays_absent"`
	CurrentPermits     bool    `json:"current_permits"`
}

func defaultParams() params {
	p := yuma.DefaultParams()
	return params{
		Version: "yuma3", Kappa: p.Kappa, BondsPenalty: p.BondsPenalty, MovingAverage: p.BondsMovingAverage,
		AlphaLow: p.AlphaLow, AlphaHigh: p.AlphaHigh, Steepness: p.Steepness, MaxValidators: p.MaxValidators,
		Cutoff: p.ActivityCutoff, Tempo: p.Tempo, Emission: 1e9, Sparse: true,
	}
}

// rules returns what the epoch counts with. The chain's dense twin, which only its
// tests use, knows no commits and lets liquid bonds decay.
func (p params) rules() (yuma.Params, error) {
	r := yuma.Params{
		Kappa: p.Kappa, BondsPenalty: p.BondsPenalty, BondsMovingAverage: p.MovingAverage,
		LiquidAlpha: p.Liquid, AlphaLow: p.AlphaLow, AlphaHigh: p.AlphaHigh, Steepness: p.Steepness,
		LiquidDecaysAbsent: p.LiquidDecaysAbsent || !p.Sparse, CurrentPermits: p.CurrentPermits,
		MaxValidators: p.MaxValidators, StakeThreshold: p.Threshold,
		ActivityCutoff: p.Cutoff, Tempo: p.Tempo, CommitReveal: p.CommitReveal && p.Sparse,
	}
	switch p.Version {
	case "yuma2":
		r.Version = yuma.Yuma2
	case "yuma3":
		r.Version = yuma.Yuma3
	default:
		return r, fmt.Errorf("version %q is neither yuma2 nor yuma3", p.Version)
	}
	return r, r.Check()
}
