// Package aggregation merges accepted updates into one step, in integers from
// the first rounding to the last, so that every machine that has the same
// updates makes the same step. It does not decide who is accepted or clipped,
// keeps no state of its own and does no I/O.
//
// Read it in this order: [Config] holds the settings that all participants
// share; [Contribution] is an accepted update, in memory or not, with its clip
// factor, samples and age; [Merge] combines W of them by a rule and hands the
// result to an [Optimizer], whose memory is a [State]; [Step] is the outcome.
// [Combine] stops before the optimizer. [Step.Plain] is the one form that is
// digested, [Step.Wire] one that travels; [Apply] moves a model by it. A Step is a
// [gradient.Vector], so dot products and overlaps work on it.
//
// # Arithmetic
//
// Every rounding is to nearest, ties to even. D parameters, W contributions,
// values in units of 2^−Unit:
//
//	x_w  = round(m·2^e·clip_w)                 |x_w| < 2^44
//	Σ_w x_w                                    |Σ| < 2^62, for W up to MaxWorkers
//	g    = what the rule makes of x            |g| <= 2^44
//	s    = what the optimizer makes of g       |s| < 2^63
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
// # How a merge goes
//
// What rules need of whole rows is in their dot products:
//
//  1. If a rule or what stands before it asks for them, one pass over the chunks
//     adds up W² of them as exact integers, and a digest of each row. Rows are put
//     in the order of their digests, the dot products rounded once to float64.
//  2. From these numbers alone follow the rows that are combined: blends of the
//     contributions with integer weights that add up to at most their denominator.
//     Floats go through correctly rounded operations in the order of the digests;
//     ties go to the lower digest.
//  3. One pass blends and combines, chunk by chunk, exactly, and rounds once.
//
// So the result does not depend on the order of arrival, on cores, or on where
// updates are kept. Only identical rows have equal digests, and those may change
// places. Denominators stay below 2^63: a centre's weights are below 2^32, 4,096
// rows at most are compared, and mixing or buckets multiply by at most 4,096.
//
// Before the rule, in this order, each if it is set:
//
//	ClipNorms  x_w ← x_w·c_w, c_w = min(1, m/‖x_w‖) in units of 2^−32, rounded
//	           down, m the lower median of the norms. W·k: needs the norms alone.
//	           Bears (W−1)/2: no row is then longer than an honest one.
//	Mix        x_w ← mean of the W − f rows nearest to x_w, itself among them
//	           (nearest-neighbour mixing, arXiv:2302.01772). W²·k + W·D. Bears
//	           (W−1)/2. Liars nearer to honest rows than those are to each other
//	           stay in, which costs less behind ClipNorms.
//	Bucket     the means of ⌈W/s⌉ groups of at most s rows, dealt by Seed and
//	           digests (arXiv:2006.09365). W²·k + W·D. f liars spoil at most f of
//	           them.
//
// # Rules
//
// f is Liars, n the rows after mixing or buckets, k the values that a row names.
// Costs are per merge. "Hull" is the range from the least to the greatest value at
// a place, 0 included. NaN and infinities cannot be said in an update, so no rule
// meets one.
//
//	mean              g = Σ/n, or Σ s·x/Σ s, s the samples, where MaxSamples is set
//	                  (FedAvg, arXiv:1602.05629, algorithm 1). W·k + D. Bears none:
//	                  one liar moves it by 1/W of its clipped norm, and by samples
//	                  by M/(M + Σ s of the others), M = MaxSamples, so it relies on
//	                  scores, gates and clipping.
//	sign-majority     the sign of more than n/2 rows, times the lower median of
//	                  the rows' mean magnitude in the chunk. W·k + D. Bears
//	                  (n−1)/2: |g| <= the largest honest mean magnitude.
//	median            at each place; of an even n the mean of the middle two.
//	                  D·n·log²n dense, W·k·log n sparse. Bears (n−1)/2: stays
//	                  within the honest values at each place.
//	trimmed-mean      mean without the f least and f greatest at each place. Costs
//	                  and stays like the median, for f <= (n−1)/2.
//	krum              the row with the least sum of squared distances to the
//	                  n − f − 2 nearest to it. W²·k + W²·log W. Needs n >= 2f + 3:
//	                  within (1 + √(n−f−2)) diameters of the honest rows.
//	multi-krum        mean of the n − f rows of least such sums. As krum.
//	bulyan            krum n − 2f times, each time without those chosen, then at
//	                  each place the mean of the n − 4f values nearest to the
//	                  median of the chosen. W²·k + W³. Needs n >= 4f + 3: at each
//	                  place at most the honest range outside it.
//	geometric-median  the point of least sum of distances, by 16 smoothed
//	                  Weiszfeld steps from the row of least sum. W²·k + W². Bears
//	                  (n−1)/2: within 2.4·(n−f)/(n−2f) diameters of the honest rows.
//	centred-clipping  three steps from 0, each by the mean of differences clipped
//	                  to their lower median length. W²·k + W². Bears (n−1)/2: at
//	                  most 7 times as long as the longest honest row.
//
// All results but the sign's lie within the hull. A row that does not name a place
// says 0 there and counts, so that the mean divides by W: the default, and the safe
// way. With Senders the first four ask at each place only the rows whose value is
// not 0, and the mean divides by their number: n is that number, a sign needs more
// votes than the other, and a liar that is alone somewhere decides alone. Rules that
// look at whole rows know 0 only. Where workers choose what they send, most rows are
// 0 at most places: median and trimmed-mean then hardly move, and distances between
// honest rows are as large as their norms, which is what krum chooses by.
//
// Rules bear fewer liars of fewer rows: f counts as the largest number for which n
// suffices, for krum, multi-krum and bulyan below three rows as the mean, so that no
// round is held up. [Config.NeedsWorkers] says how many f asks for.
//
// An update made from an older model counts 1/√(1+s) of itself, s its age in
// rounds, and the mean still divides by W (FedBuff, arXiv:2106.06639).
//
// Memory of a merge: a window of 16·cores chunks of each contribution that is not
// in memory already, twice as many chunks of state and step in flight, W chunks
// written out for each core, and the step; 12·W² bytes for each core where rows are compared; never W models.
//
// # Optimizers
//
// µ is Momentum, as β1 is; β2 is Second, τ = 2^FloorExp.
//
//	sgd         s = rate·g
//	nesterov    v ← µ·v + g, s = rate·(g + µ·v)
//	fedavgm     v ← µ·v + g, s = rate·v                          arXiv:1909.06335
//	fedadam     m ← β1·m + (1−β1)·g, s = rate·m/(√v + τ),        arXiv:2003.00295
//	            v ← β2·v + (1−β2)·g²
//	fedyogi     v ← v − (1−β2)·g²·sign(v − g²)
//	fedadagrad  v ← v + g²
//
// The first three round each product to an integer. The adaptive ones keep m and
// √v as integers and pass through correctly rounded float64 operations, with v = 0
// at the start and no correction of bias.
//
// # Thin steps
//
// With StepKeep k of 4,096, what waits in the last plane of the state is added to
// s, the ⌈k·n/4096⌉ largest magnitudes of a chunk of n values become the step, the
// lower index first among equals, and what the step does not say waits again, to
// the last unit (error feedback at the server, arXiv:1905.05957). Vectors (norms,
// biases) move whole. The step's bytes then do not grow with W.
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
