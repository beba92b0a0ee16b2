package economy

// This file holds what is emitted and how it is split.

import "lode/yuma"

// Halvings returns how often the emission has halved once issued of limit exists:
// the largest k with (limit − issued)·2ᵏ ≤ limit, which is the chain's
// floor(log2(1/(1 − issued/limit))) (coinbase/block_emission.rs). issued must be
// below limit.
func Halvings(limit, issued uint64) (k uint) {
	if issued >= limit {
		panic("economy: everything is issued: there is no number of halvings")
	}
	for room := limit - issued; room <= limit/2; room *= 2 {
		k++
	}
	return k
}

// Emission returns what a block emits once issued of limit exists, where the first
// one emitted first: halved by [Halvings], 0 at the limit and above.
func Emission(limit, first, issued uint64) uint64 {
	if issued >= limit {
		return 0
	}
	return first >> Halvings(limit, issued)
}

// Pots are an emission by destination. Root belongs to those who stake on all runs
// together.
type Pots struct {
	Owner, Servers, Validators, Root uint64
}

// Split takes cut/65535 off for the owner and gives half of the rest to servers,
// half to validators, of which root is the share of root stake
// (coinbase/run_coinbase.rs). Each pot is floored, so up to four units go to nobody.
func Split(minted uint64, cut uint16, root yuma.Q32) Pots {
	all := whole(minted)
	owner := all.times(yuma.Proportion(cut))
	rest := all.minus(owner)
	half := rest.times(one / 2)
	ofRoot := rest.times(root).times(one / 2)
	return Pots{owner.floor(), half.floor(), half.minus(ofRoot).floor(), ofRoot.floor()}
}

// RootProportion returns the part that root stake has in a run's validation:
// weight·root/(weight·root + issued), where issued is the run's own coin. weight
// lies in [0, 1].
func RootProportion(root uint64, weight yuma.Q32, issued uint64) yuma.Q32 {
	w := whole(root).times(weight)
	return w.partOf(w.plus(whole(issued)))
}

// MovingPrice moves the average of a price on by one block: by
// rate·age/(age + halving) towards min(price, 1), where age is the number of blocks
// since the run began to emit, that one included (subnets/subnet.rs
// update_moving_price). All fractions lie in [0, 1].
func MovingPrice(old, price, rate yuma.Q32, age, halving uint64) yuma.Q32 {
	grown := whole(age)
	take := product(rate, grown.partOf(grown.plus(whole(halving))))
	return product(take, min(price, one)) + product(one-take, old)
}

// SplitMechanisms divides an amount among the mechanisms of a run by shares of
// 65535, evenly if there are none. What floors leave, and what shares leave, is
// mechanism 0's (subnets/mechanism.rs split_emissions). Missing shares are 0; shares
// that pass 65535 in all are served in order while there is anything. There must be
// one mechanism or more.
func SplitMechanisms(amount uint64, mechanisms int, shares []uint16) []uint64 {
	if mechanisms < 1 {
		panic("economy: no mechanism to split among")
	}
	out := make([]uint64, mechanisms)
	left := amount
	for i := range out {
		part := amount / uint64(mechanisms)
		if shares != nil {
			part = 0
			if i < len(shares) {
				part = min(left, mulDiv(amount, uint64(shares[i]), 65535))
			}
		}
		out[i] = part
		left -= part
	}
	out[0] += left
	return out
}
