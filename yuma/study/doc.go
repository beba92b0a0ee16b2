// Package study computes the published variants of Yuma consensus in float64, and
// plays situations through them, to compare what rules pay whom.
//
// It pays nobody: what counts is package yuma, in integers. The variants are those
// of bactensor/yuma-simulation (cases.py, yumas.py), which the proposals for Yuma 3
// were argued with; only validators with rows and servers with columns exist, and
// every validator is active and permitted.
//
// Read it in this order: [Rule] and [Params], [Simulator] with [Outcome], then
// [Situation], [Variant] and [Play], which runs a situation through a simulator or
// through the epoch of package yuma.
//
// # Formulas
//
// With V validators and M servers, stake s normalised, and rows of weights W divided
// by their sum + 10⁻⁶:
//
//	consensus  c_j by bisection to 10⁻⁵: where stake with W_ij > c stops passing
//	           kappa; then divided by the sum over j and cut to 1/65535
//	clipped    min(W, c)
//	incentive  Σ_i s_i·clipped_ij, normalised
//	for bonds  (1−penalty)·W + penalty·clipped
//
//	Yuma 1     bonds are s·W for bonds, by column; nothing is kept
//	Yuma 2     the same, averaged over epochs: take·new + (1−take)·old
//	Yuma 2B    Yuma 2 with the weights of the epoch before in place of W from
//	           clipping on
//	Yuma 2C    absolute bonds: (1−decay)·old + min(purchase·s, s − old)·W, at most s
//	Yuma 3     relative bonds: (1−take)·old + take·W, at most 1; the dividend is
//	           multiplied by stake
//
// Dividends are bonds, by column for 2C and 3, times incentive, normalised. Sums that
// something is divided by have 10⁻⁶ added, as there. Liquid alpha replaces take per
// pair, from the second epoch on, as the chain does it (package yuma).
//
// Results agree with the published ones to 10⁻⁴; bits may differ between processors.
package study
