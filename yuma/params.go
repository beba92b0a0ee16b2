package yuma

// This file holds the parameters of the epoch and their defaults.

import "fmt"

// Version names the bond rule. The zero value is Yuma 3.
type Version uint8

// The bond rules. Yuma3 keeps an absolute bond per pair, each growing towards the
// weight; Yuma2 keeps each validator's share of a column.
const (
	Yuma3 Version = iota
	Yuma2
)

// ppm is the unit of Params.BondsMovingAverage.
const ppm = 1_000_000

// Params are the rules of the epoch, equal for all participants. The zero value
// is valid but useless (nobody gets a permit); start from [DefaultParams].
type Params struct {
	Version Version
	// Kappa/65535 is the share of active stake that sets the consensus weight.
	// 32767 lies just below one half, so exactly half suffices.
	Kappa uint16
	// BondsPenalty/65535 says how far bonds follow the clipped weight (65535)
	// instead of the stated one (0).
	BondsPenalty uint16
	// BondsMovingAverage in millionths is what a bond keeps in one epoch, at most 10⁶.
	BondsMovingAverage uint32
	// LiquidAlpha replaces the one moving average of Yuma 3 by one per pair,
	// between AlphaLow/65535 and AlphaHigh/65535.
	LiquidAlpha         bool
	AlphaLow, AlphaHigh uint16
	// Steepness/100 is the slope of the liquid curve; negative values invert it.
	Steepness int16
	// LiquidDecaysAbsent lets a liquid bond decay where its validator lists no
	// weight, as under plain averaging; on the chain, and by default, it vanishes
	// at once.
	LiquidDecaysAbsent bool
	// MaxValidators is the number of permits handed out.
	MaxValidators int
	// CurrentPermits lets this epoch's stake decide who votes in it, in place of
	// the permits of the epoch before.
	CurrentPermits bool
	// StakeThreshold is the smallest stake that counts.
	StakeThreshold uint64
	// ActivityCutoff is the number of blocks after which a silent neuron's stake
	// does not vote.
	ActivityCutoff uint64
	// Tempo is the number of blocks between epochs; it dates old bonds only
	// before the first step.
	Tempo uint64
	// CommitReveal drops weights on targets younger than the validator's oldest
	// open commit.
	CommitReveal bool
}

// DefaultParams returns Yuma 3 with the chain's parameters for a new subnet.
func DefaultParams() Params {
	return Params{
		Kappa:              32767,
		BondsPenalty:       full,
		BondsMovingAverage: 900_000,
		AlphaLow:           45875,
		AlphaHigh:          58982,
		Steepness:          1000,
		MaxValidators:      64,
		ActivityCutoff:     5000,
		Tempo:              360,
	}
}

// Check reports the first parameter outside its range.
func (p Params) Check() error {
	switch {
	case p.Version > Yuma2:
		return fmt.Errorf("yuma: unknown version %d", p.Version)
	case p.BondsMovingAverage > ppm:
		return fmt.Errorf("yuma: bonds moving average %d exceeds %d", p.BondsMovingAverage, ppm)
	case p.AlphaLow > p.AlphaHigh:
		return fmt.Errorf("yuma: alpha low %d exceeds alpha high %d", p.AlphaLow, p.AlphaHigh)
	case p.MaxValidators < 0:
		return fmt.Errorf("yuma: %d permits", p.MaxValidators)
	}
	return nil
}

// newShare returns what a bond takes over from the new weight in one epoch: one
// minus the truncated moving average.
func (p Params) newShare() Q32 {
	return one - Q32(uint64(p.BondsMovingAverage)<<32/ppm)
}
