// Package gradient turns a worker's pseudo-gradient into an update small enough
// to send, and back: it is the codec, and exact arithmetic on what it encodes.
// It does not train, choose, clip, merge or send, and holds no error feedback:
// the residual is the caller's.
//
// Read it in this order: [Params] say how much is kept and which exponents are
// allowed; [Encode] compresses D values that a [tensor.Reader] gives out chunk
// by chunk, a = β·e + Δ for a worker; [Update] is the result. [Update.Plain] is
// the one form that is digested, [Update.Wire] one that travels; [ParsePlain]
// and [ParseWire] read them, trusting nothing. [Update.SubtractFrom] gives the
// residual. [Norm] and [Clip] serve clipping, [Vector] with [Dot], [DotVectors]
// and [Overlap] scoring.
//
// # What is kept
//
// Each chunk of n values of a tensor keeps the k = ⌈K·n/4096⌉ values of largest
// magnitude, the lower index first among equals, as a sign and one of two
// levels. The levels are means of two groups of magnitudes, fitted by Lloyd's
// iteration (Lloyd 1982) and rounded: integers hi > lo times 2^e. Tensors of one
// dimension and at most 65,536 values (norms, biases) go dense: an integer of
// -127 … 127 for every value, times 2^e. So every decoded value is ±m·2^e with m
// below 256 and e from EMin to EMax, an exact float32; NaN, infinities and
// subnormals cannot be said. What does not fit into EMax saturates, and error
// feedback sends the rest later.
//
// # Plain form
//
// Four bytes "LGU" 0x01, then all chunks of all tensors in layout order, each of
// a size that layout and parameters determine. Integers are little-endian.
//
//	sparse chunk   int8       e, exponent
//	               uint8      hi
//	               uint8      lo
//	               k × uint16 positions, strictly ascending
//	               k × 2 bit  codes, lowest bits first: 1 high level, 2 negative
//	dense chunk    int8       e, exponent
//	               n × int8   mantissas, not -128
//
// One value has one encoding:
//   - EMin <= e <= EMax; hi is at least 128 or e is EMin; lo is below hi;
//   - some entry takes hi, and if none takes lo then lo is 0;
//   - entries that decode to zero have code 0 and the lowest positions that the
//     other entries leave free; a chunk of zeros has e = hi = lo = 0;
//   - unused bits of codes are 0;
//   - the largest dense mantissa is at least 64 or e is EMin; a dense chunk of
//     zeros has e = 0.
//
// # Wire form
//
// The same four bytes, then seven columns packed as package column says:
// positions of all sparse chunks as gap bytes, their codes, exponents, high and
// low mantissas, then mantissas and exponents of dense chunks. Codes and
// mantissas are those of the plain form; an exponent is less the one before it,
// modulo 256. On 1,024 chunks of independent values at k = 64 this takes 9.49
// bits per kept value for normal, 9.43 for Laplace, 9.33 and 9.23 for
// Student's t with 5 and 3 degrees of freedom, of which 7.45 go to the position
// (log2(C(4096,64))/64 = 7.36); at k = 128, 8.41, 8.35, 8.20 and 8.09.
//
// # Bounds
//
// Parsers compute every length from layout and parameters and compare before
// they allocate. Squared norms are exact in 128 bits because EMax − EMin is at
// most 36. All results are the same on every processor, at any GOMAXPROCS.
//
// # Ownership
//
// An Update is immutable and may be shared by goroutines. The slice given to
// ParsePlain and the one returned by Plain belong to the Update; Wire returns a
// new one, and ParseWire keeps nothing of its input. Functions that append to
// dst follow append. All functions may be called at the same time.
package gradient
