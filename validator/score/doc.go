// Package score turns what validators measured into verdicts, and keeps the
// running scores that decide pay. It measures nothing itself: it never sees an
// update, only functionals of updates (dot products with a gradient, loss
// differences, overlaps), so that runs whose updates are masked can use the same
// rules.
//
// Read it in this order. [Novel] removes from a first-order score what the last
// merged steps already did; it is the only place with floating point, before a
// score is rounded to an integer and signed. [Median] is the stake-weighted lower
// median by which several opinions become one. [Board.Decide] turns revealed sheets
// into one [Verdict] per candidate. [Board] is the memory between rounds:
// reference norm and score, running proof of work, the opinion of each validator
// of each worker over the epoch.
//
// # Rules
//
// A candidate's score is the stake-weighted lower median of the validators'
// first-order scores. It is accepted if its score is above Threshold times the
// reference (the median of recently accepted scores), no audit found that the
// loss does not fall, the median of its overlap with earlier work is at most the
// manifest's limit, and the running mean of its proof of work, as a share of what
// others proved lately, is above the gate once it was examined often enough.
// Proof of work never raises pay, but before those first examinations nothing is
// paid out: a new identity is paid late, and one that is found idle loses what it
// was owed. Audits and examinations count where sheets with half of the stake made
// them.
//
// Norms above Refuse times the reference norm are refused before scoring; the
// others are clipped to the reference. The reference norm is the lower median of
// the candidates that are not empty, kept between half and twice that of the
// norms accepted in the last normRounds rounds, where there are any.
//
// A validator's opinion of a worker is the sum of its first-order scores over
// the epoch, negative ones included, 0 for a round without a valid novel update.
// Where an update was refused after an audit, the exact difference counts if it
// is less. [Board.Opinions] gives the positive parts: linear in the work, so that
// splitting it among identities or merging them gains nothing while each has
// a positive sum.
//
// # Units
//
// Scores are protocol.NanoNats, positive when the update lowers the loss. Norms
// are exact squares (gradient.Norm). Shares are Q16, clip factors Q32.
// Everything that decides is integer arithmetic; sums cannot overflow because
// every score is bounded by protocol.MaxNanoNats.
//
// A Board belongs to one goroutine. Nothing keeps a caller's slice.
package score
