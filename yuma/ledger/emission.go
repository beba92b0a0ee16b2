package ledger

// This file holds what is minted, by the chain's halving rule, and its split.

import "lode/yuma/economy"

// halvings returns how often the emission has halved; issued must be below limit.
func halvings(limit, issued Amount) uint { return economy.Halvings(uint64(limit), uint64(issued)) }

// emissionAt returns what one round mints once issued exists.
func (p Params) emissionAt(issued Amount) Amount {
	if issued >= p.Cap {
		return 0
	}
	return min(p.Emission>>halvings(p.Cap, issued), p.Cap-issued)
}

// accrue returns what the given number of rounds mints in turn once issued exists.
// It works through the halvings, not the rounds.
func (p Params) accrue(issued Amount, rounds uint64) Amount {
	start := issued
	for rounds > 0 {
		each := p.emissionAt(issued)
		if each == 0 {
			break
		}
		// Below next, which lies above issued, the emission per round is the same;
		// if it was cut to the room left, one round ends it.
		next := p.Cap - p.Cap>>(halvings(p.Cap, issued)+1)
		n := min(rounds, uint64((next-issued+each-1)/each))
		issued += each * Amount(n)
		rounds -= n
	}
	return issued - start
}

// pots is minted money by destination.
type pots struct {
	owner, workers, validators Amount
}

// split takes the owner's cut off and halves the rest; an odd unit is the
// validators' (pallets/subtensor coinbase/run_coinbase.rs).
func (p Params) split(minted Amount) pots {
	owner := p.OwnerCut.Of(minted)
	workers := (minted - owner) / 2
	return pots{owner: owner, workers: workers, validators: minted - owner - workers}
}
