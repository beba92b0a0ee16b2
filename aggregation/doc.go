// Package aggregation merges accepted updates into one step, in integers from
// the first rounding to the last, so that every machine that has the same
// updates makes the same step. It does not decide who is accepted or clipped,
// keeps no state of its own and does no I/O.
//
// Read it in this order: [Config] holds the settings that all participants
// share; [Contribution] is an accepted update, in memory or not, with its clip
// factor; [Merge]
// combines W of them by a [Rule] and hands the result to an [Optimizer], whose
// memory is a [State]; [Step] is the outcome. [Step.Plain] is the one form that
// is digested, [Step.Wire] one that travels; [Apply] moves a model by it. A Step
// is a [gradient.Vector], so dot products and overlaps work on it.
//
// # Arithmetic
//
// Every rounding is to nearest, ties to even. D parameters, W contributions,
// values in units of 2^−Unit:
//
//	x_w  = round(m·2^e·clip_w)                 |x_w| < 2^44
//	Σ_w x_w                                    |Σ| < 2^62, for W up to MaxWorkers
//	g    = round(Σ/W)                          rule "mean"
//	s    = round(rate·g)                       optimizer "sgd"
//	v    = round(µ·v) + g                      optimizer "nesterov"
//	s    = round(rate·(g + round(µ·v)))        |v| <= 2^60, |s| < 2^63
//	q    = round(s·2^−shift), X = shift − Unit |q| < 2^StepBits
//	θ    = θ − q·2^X                           one float32 subtraction
//
// Config.Validate enforces what these bounds need: 8 + EMax + Unit <= 44 and
// MaxWorkers·2^(8+EMax+Unit) <= 2^62. With Unit >= −EMin an unclipped value is
// not rounded at all. Each chunk has its own X, the lowest that fits its largest
// magnitude, so that a spike costs precision in its own chunk alone; X is at most
// StepEMax, where larger values saturate. With no contribution the step is zero
// and the state keeps still.
//
// No subnormals arise: X is at least −60, so q·2^X is normal and exact. A normal
// θ of 2^−61 and more is a multiple of 2^−84, as q·2^X is of 2^−60, hence so is
// their difference, and it is 0 or normal; against a smaller θ the difference is
// at least 2^−61. Parameters that do not move are not touched.
//
// # Rules
//
//	mean   g = Σ/W. Cost: one addition per term, one division per place that is
//	       not zero; memory O(chunk), here O(W·K/D·chunk) per core for the rows.
//	       One liar moves it by 1/W of its clipped norm: it relies on gating and
//	       clipping. NaN cannot be said in an update.
//
// Memory of a merge: a window of 16·cores chunks of each contribution that is not
// in memory already, as many chunks in flight, and the step; never W models.
//
// # Plain form of a step
//
// Four bytes "LGS" 0x01, then all chunks of all tensors in layout order, each
//
//	int8      X, exponent
//	n/8       bitmap of the parameters that move, lowest bit first, rounded up
//	integers  q of each of those in order: int16 if StepBits <= 15, else int32,
//	          little-endian
//
// One value has one encoding: no q is 0; the largest |q| is at least
// 2^(StepBits−1) or X is −Unit; a chunk that does not move has X = 0; bits
// beyond the chunk are 0.
//
// # Wire form of a step
//
// The same four bytes, then columns packed as package gradient/column says:
// exponents (each less the one before, modulo 256), bitmaps, one sign bit per
// integer, and |q| − 1 in planes of one byte, lowest first, as many as StepBits
// needs.
//
// Coarse steps cost little and save much. Relative error of a step against the
// exact one and its bytes in units of one worker's upload, for 4 workers with
// independent supports at k = 128, Student's t with 5 (and 3) degrees of
// freedom (TestStepPrecision):
//
//	bits     error            uploads
//	4        8.3 % (17 %)     3.9 (3.7)
//	6        1.7 % (3.7 %)    4.6 (4.5)
//	8        0.4 % (0.8 %)    5.0 (5.2)
//	10       0.1 % (0.2 %)    5.8 (5.9)
//	12       0.03 % (0.06 %)  6.2 (6.4)
//	16       0.00 % (0.00 %)  6.7 (7.2)
//	24       exact            8.5 (9.1)
//
// Hence 8 bits by default: an error a hundredth of what compression itself
// leaves out. Independent supports are the worst case: the step then holds all
// that four uploads hold.
//
// # Ownership
//
// Updates and steps are immutable and may be shared by goroutines. The slice
// given to ParseStepPlain and the one returned by Plain belong to the Step. One
// Merge has its State to itself; merges with different states may run at the
// same time.
package aggregation
