// Package ledger is the economy of many runs as one ledger: accounts and stake, runs
// and the places on them, weights and what they pay, slashing, payments and votes. It
// is a deterministic state machine that signed transactions move, in blocks:
//
//	Apply(tx) → events, or an error that changed nothing
//
// The same blocks on the same genesis give the same [Machine.Root] everywhere, and
// whoever knows a root can be shown any record of the state.
//
// It does not order transactions, make blocks, reach the disk or keep the past; it
// reads no clock and draws no lots: time and beacon come in the header of a block.
// What rounds of training are and how work is scored is none of its business either,
// but for messages that prove an offence.
//
// Read it in this order: [Amount], [Coldkey], [Hotkey] and [Run] are the words,
// [NetworkParams] and [RunParams] the rules, [Genesis] the start, [Tx] with its
// [Body] what people ask for, [Machine] what does it, [Block] how it goes on. Package
// economy has the chain's rules as functions, package yuma the epoch, package tree
// the state. docs/economy.md has a line for each rule.
//
// # Words
//
// A coldkey owns an account: coin in the open. A hotkey is an identity that one
// coldkey owns; nodes work with it. Anybody stakes on a hotkey, on one run or on
// [Root], which counts for all runs; who does so on another's delegates, and its
// owner takes a part of what that earns. A place on a run is a uid: it makes a hotkey
// a neuron that is weighed and, with a permit, weighs.
//
// # Flow
//
//	Apply(tx…)      all or nothing; opens the next block, or goes on with it
//	Seal            ends it, and then
//	  falls due     prices of places fall; coin is minted and divided among runs;
//	                epochs that are due pay; average prices move; votes are counted
//	Root            changes with what changed
//	Execute(block)  does both with a block that somebody else sealed; its header must
//	                follow: height, parent, root of the state before
//
//	Apply: open     version, network, signature, canonical body
//	       count    signer known, nonce is the next, not expired
//	       apply    the body's rule, on records of the state
//	       balanced what changed must add up
//	       keep, or on any error revert
//
// # State
//
// Records are typed, canonical CBOR (the encoding of package protocol), by keys of
// fixed length that begin with the table's letter; see the lists of tables. They live
// in one [tree.Tree]. A write notes what was there before, so an error puts it back.
// What many share (stake of a hotkey, coin on its way out) is a [Pool], which gains or
// loses for all of them in one write.
//
// # Money
//
// Amounts are unsigned integers of 10⁻⁹ coin below 2⁶². Products take 128 bits;
// what is divided is floored, and what floors leave stays where it was. After every
// step
//
//	genesis + emitted − burned = balances + stakes + what leaves them + escrows
//	                           + locks + what runs owe + coin in pools
//
// and with a market, for each run, units issued = stakes + what it owes + units in its
// pool. The machine itself checks this over the records that a step changed, and
// refuses the step with [ErrImbalance] otherwise.
//
// Without a market a run's stake is coin, and runs divide the emission by stake. With
// one (Genesis.Market, for good) each has a coin of its own, bought and sold at a pool
// of constant product, and they divide it by average prices (dynamic TAO).
//
// # Departures from the chain
//
// Hotkeys sign for their owner, so nobody can take another's. Unstaked coin can be
// slashed until the unbonding time is over. Pots are divided by incentive and by
// dividends apart, and what rounding leaves is owed at the next epoch, not lost.
// Without a market, pay goes to balances and not to stake. Emission halves by all that
// was ever minted. The price of a pool moves when less is injected than keeps it.
// Root dividends are sold at once. There is no timelock, no trimming of places, no
// automatic staking, and no administrator: votes change parameters.
//
// # Ownership and concurrency
//
// Transactions and blocks are read and not kept; what comes back is the caller's. A
// Machine may be used by one goroutine at a time.
package ledger
