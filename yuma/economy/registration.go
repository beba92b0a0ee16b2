package economy

// This file holds what a place costs and who loses one.

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"lode/yuma"
)

// DecayFactor returns what remains of the price of a place after one block, so that
// after halfLife blocks no more than half is left: the largest f with
// f^halfLife ≤ 1/2, powers by squaring with every product floored
// (coinbase/block_step.rs). A half-life of 0 leaves nothing.
func DecayFactor(halfLife uint16) yuma.Q32 {
	low, high := yuma.Q32(0), one // low is small enough, high is not
	if halfLife == 0 {
		return 0
	}
	for high-low > 1 {
		mid := low + (high-low)/2
		if power(mid, halfLife) <= one/2 {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func power(q yuma.Q32, n uint16) yuma.Q32 {
	r := one
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			r = product(r, q)
		}
		q = product(q, q)
	}
	return r
}

// PriceBounds are the least and the most that a place may cost.
type PriceBounds struct{ Min, Max uint64 }

func (b PriceBounds) clamp(price uint64) uint64 { return max(b.Min, min(price, b.Max)) }

// Decay returns the price one block later; f is a [DecayFactor].
func (b PriceBounds) Decay(price uint64, f yuma.Q32) uint64 { return b.clamp(f.Of(price)) }

// Bump returns the price after somebody paid it: percent/100 of it, floored.
func (b PriceBounds) Bump(price uint64, percent uint16) uint64 {
	return b.clamp(mulDiv(price, uint64(percent), 100))
}

// Adjust returns the price by the rule in force until March 2026, applied every so
// many blocks: alpha·price + (1−alpha)·price·(registrations+target)/(2·target), with
// alpha in units of 1/(2⁶⁴−1) (the chain's I110F18: 18 fraction bits, floored at
// each step). A target of 0 leaves the price.
func (b PriceBounds) Adjust(price, registrations, target, alpha uint64) uint64 {
	if target == 0 {
		return b.clamp(price)
	}
	const unit = 1 << 18
	keep := uint64(unit)
	if alpha < math.MaxUint64 {
		keep, _ = bits.Div64(alpha>>(64-18), alpha<<18, math.MaxUint64)
	}
	// The fraction that goes with moved would change the result by less than one.
	moved := mulDiv(price, registrations+target, 2*target)
	keptHi, keptLo := bits.Mul64(price, keep)
	hi, lo := bits.Mul64(moved, unit-keep)
	lo, carry := bits.Add64(lo, keptLo, 0)
	hi += keptHi + carry
	if hi>>18 != 0 {
		return b.clamp(math.MaxUint64)
	}
	return b.clamp(hi<<(64-18) | lo>>18)
}

// mulDiv returns floor(a·b/c), the largest uint64 if it does not fit. c must not be 0.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxUint64
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// Place is what pruning asks of a neuron.
type Place struct {
	Emission   uint64 // of the last epoch
	Registered uint64 // block
	Protected  bool   // the owner's; never pruned
}

// Prune returns the uid that gives up its place at block: the least in emission,
// then in block of registration, then in uid. Those younger than immunity blocks go
// only while no more than minFree others are left; -1 if nobody may go
// (subnets/registration.rs get_neuron_to_prune).
func Prune(block, immunity uint64, minFree int, places []Place) int {
	var immune, free []int
	for uid, p := range places {
		switch {
		case p.Protected:
		case block-min(block, p.Registered) < immunity:
			immune = append(immune, uid)
		default:
			free = append(free, uid)
		}
	}
	from := free
	if len(free) <= minFree {
		from = immune
	}
	if len(from) == 0 {
		return -1
	}
	return slices.MinFunc(from, func(x, y int) int {
		a, b := places[x], places[y]
		return cmp.Or(cmp.Compare(a.Emission, b.Emission), cmp.Compare(a.Registered, b.Registered), cmp.Compare(x, y))
	})
}
