// Package ledger keeps the money of a run: balances, stakes, who takes part, and
// what every epoch pays to whom. [Machine] is the ledger that pays; [Volunteer] is
// that of a run without coins, which keeps stakes for their votes and pays nobody.
// Both are deterministic state machines: the same operations in the same order
// give the same [Machine.Root] everywhere. Package ledgertest says what both do.
//
// It does not check signatures, decide when an epoch is due, score workers, or
// know what a vote is for; it does not read clocks or disks.
//
// Read it in this order: [Amount], [Hotkey] and [Round] are the words, [Params]
// the rules, [Grant] the start, [Machine] the state, [Row] what a validator says,
// [Report] what an epoch did; [Volunteer] last.
//
// # Money
//
// One [Amount] is 10⁻⁹ coin. After every operation
//
//	genesis + emitted − burned = unpaid + all balances + all stakes
//
// Unpaid is a pot of its own: what rounding leaves over, and what an epoch finds
// nobody to pay to. Nothing takes from it.
//
// Each round mints Params.Emission >> k with the largest k for which
// (cap − issued)·2ᵏ ≤ cap, and never beyond the cap. Issued counts everything ever
// minted, so burning does not bring emission back. This is the chain's halving
// rule (opentensor/subtensor, pallets/subtensor, block emission) in integers.
//
// Volunteers mint nothing, so all there is was there at genesis.
//
// # Epoch
//
// A Machine's epoch pays for all rounds since the last one. The owner gets his cut
// (11796/65535 by default), half of the rest is the workers' pot, the other half,
// with the odd unit, the validators'. Package yuma divides each by incentive and
// by dividends; every payment is floored and credited to the balance. Nobody's
// stake grows by itself. If no worker has incentive, because nobody voted or no
// majority formed, both pots go to the active stake, and if there is none, to all
// validators by stake; if there is no stake at all, to nobody.
//
// Departures from the chain: who votes is decided by present stake and by the
// active set of the epoch, not by permits and activity of the past; rows are not
// kept from epoch to epoch; the owner's neuron has no privilege; the two pots are
// divided apart, so that rounding cannot take from one for the other.
//
// # Ownership and concurrency
//
// Operations read their arguments and keep nothing of them; what they return is
// the caller's. A ledger may be used by one goroutine at a time. An operation
// that returns an error has changed nothing.
package ledger
