// Package yuma computes Yuma consensus: from what validators think of workers,
// and from stake, it derives each worker's incentive, each validator's dividends,
// the bonds that carry over, and the emission in whole units.
//
// It does not keep state (the caller hands in the previous bonds and permits), set
// or check weights, know keys or balances, or decide when an epoch is due.
//
// Read it in this order: [Params] are the rules, [State] with its [Neuron] and
// [Entry] the input, [Result] the output, [Epoch] the function. [Workspace] is the
// same with reused buffers. [MaxUpscale] and [WithinLimit] prepare a row.
//
// # Format and rounding
//
// Shares and weights are [Q32]: int64 in units of 2⁻³², with 128-bit
// intermediates. The operations are those of the reference chain's I32F32
// (encointer/substrate-fixed v0.6.0), so results agree bit for bit:
//
//	a·b          floor, for negatives too; saturates
//	a/b          truncated toward zero; 0 if b is 0 or the quotient does not fit
//	e^x          x cut to ±20, the series to its 31st term, floored at each step
//	to uint16    floor(q·65535), cut to 0..65535
//	from uint16  v/65535 truncated
//	to an amount floor(q·amount)
//
// Inside an epoch no sum can overflow: n is at most [MaxNeurons], and everything
// summed is a share, a 16-bit integer or a product of such. Sums are exact, so the
// order in which they are taken does not matter.
//
// # Order of operations
//
// The rules are those of opentensor/subtensor, pallets/subtensor/src/epoch, as of
// June 2026 (spec 424); run_epoch.rs unless another file is named.
//
//  1. stake shares, those below the threshold counted as none (stake.go)
//  2. new permits: the largest non-zero stakes, higher uid first among equals
//     (math.rs is_topk_nonzero)
//  3. active stake: active within the cutoff and permitted, normalised
//  4. weights: rows of the permitted, without self weights, without targets that
//     registered at or after the weights or after the oldest open commit, normalised
//  5. consensus: per target the largest weight that kappa of the active stake
//     reaches (math.rs weighted_median_col; the chain finds it with a pivot too)
//  6. clipped weights, validator trust, rank, incentive
//  7. weights for bonds, between stated and clipped by the bonds penalty
//  8. bonds and dividends: Yuma 3 (bonds3.go) or Yuma 2 (bonds2.go), without old
//     bonds on targets that registered since the last epoch
//  9. emission; active stake or all stake is paid where nobody earned anything
//
// Quirks of the chain are kept, and where another rule is better an option of
// [Params], off by default, asks for it: LiquidDecaysAbsent lets a liquid bond
// decay whose weight is absent, where the chain drops it; CurrentPermits lets the
// present stake decide who votes, where the chain asks the epoch before; Kappa 32768
// makes a majority need more than half, where 32767 is content with it. Of equal
// stakes the higher uid keeps the permit. What floors lose is paid to nobody: it is
// the caller's to keep.
//
// Departures: unsorted rows are refused, which the chain merges wrongly, and total
// stake above 2⁶⁴, which saturates on the chain, is scaled down.
//
// # Cost
//
// With n neurons, V validators and m listed weights and bonds an epoch takes O(m)
// divisions and a selection of expected O(m) for the consensus, and holds about
// 52 bytes per entry.
//
// # Ownership and concurrency
//
// Epoch reads the State and keeps nothing of it. Its Result belongs to the caller;
// that of a Workspace until the next call. Functions may be called at the same
// time, a Workspace by one goroutine at a time.
package yuma
