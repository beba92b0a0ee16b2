package ledger

// This file holds the parameters of the economy.

import (
	"fmt"

	"lode/yuma"
)

// maxCap keeps every sum of amounts inside 63 bits.
const maxCap Amount = 1 << 62

// Params are the rules of the economy, equal for all participants and part of the
// state. Start from [DefaultParams].
type Params struct {
	// Yuma are the rules of consensus. Activity, permits and the age of weights
	// are the ledger's to decide, so it overrules ActivityCutoff, Tempo,
	// CommitReveal and CurrentPermits.
	Yuma yuma.Params
	// Owner is paid OwnerCut of what is minted; nobody if it is the zero key,
	// which the cut must then be zero for.
	Owner    Hotkey
	OwnerCut Share
	// Cap is what may exist in all, genesis included; at most 2⁶² units.
	Cap Amount
	// Emission is minted per round while less than half of Cap exists. It halves
	// there, and again whenever the room left halves.
	Emission Amount
	// MaxNeurons is the number of neurons that fit, at most yuma.MaxNeurons.
	MaxNeurons int
}

// DefaultParams returns the chain's economy with a round for a block: a cap of 21
// million coins, one coin per round, 18 % to the owner.
func DefaultParams(owner Hotkey) Params {
	p := Params{
		Yuma:       yuma.DefaultParams(),
		Owner:      owner,
		OwnerCut:   11796,
		Cap:        21_000_000 * Coin,
		Emission:   Coin,
		MaxNeurons: 4096,
	}
	if owner == (Hotkey{}) {
		p.OwnerCut = 0
	}
	return p
}

// Check reports the first parameter out of range.
func (p Params) Check() error {
	switch {
	case p.Cap > maxCap:
		return fmt.Errorf("ledger: cap %d exceeds %d: %w", p.Cap, maxCap, ErrParams)
	case p.Emission > p.Cap:
		return fmt.Errorf("ledger: emission %d per round exceeds the cap %d: %w", p.Emission, p.Cap, ErrParams)
	case p.OwnerCut > 0 && p.Owner == Hotkey{}:
		return fmt.Errorf("ledger: a cut for no owner: %w", ErrParams)
	case p.MaxNeurons < 0 || p.MaxNeurons > yuma.MaxNeurons:
		return fmt.Errorf("ledger: room for %d neurons, at most %d are allowed: %w", p.MaxNeurons, yuma.MaxNeurons, ErrParams)
	case p.Yuma.MaxValidators > yuma.MaxNeurons:
		return fmt.Errorf("ledger: %d permits, at most %d are allowed: %w", p.Yuma.MaxValidators, yuma.MaxNeurons, ErrParams)
	}
	if err := p.Yuma.Check(); err != nil {
		return fmt.Errorf("ledger: %w: %w", ErrParams, err)
	}
	return nil
}

// consensus returns the rules of one epoch.
func (p Params) consensus() yuma.Params {
	y := p.Yuma
	y.ActivityCutoff, y.Tempo, y.CommitReveal, y.CurrentPermits = 0, 0, false, true
	return y
}
