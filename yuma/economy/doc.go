// Package economy holds the chain's rules around an epoch: what is emitted and how
// it is split, what a place costs and who loses one, how stake is inherited and
// dividends are passed on, which weights are taken and when an epoch is due.
//
// Every rule is a function of its arguments. The package keeps no state, moves no
// money and knows no keys; a ledger calls it. The epoch itself is package yuma.
//
// Read it by file: emission, registration, delegation, weights, schedule.
//
// # Format and rounding
//
// Amounts are uint64, in the smallest unit of a coin. Fractions are [yuma.Q32]. In
// between, the chain counts in U96F32, unsigned with 32 fraction bits, and so does
// this package: products and quotients floor to 2⁻³², a difference below zero is
// zero, and an amount is floored once, at the end.
//
// The rules are those of opentensor/subtensor, pallets/subtensor, as of June 2026
// (spec 424); each function names its file.
package economy
