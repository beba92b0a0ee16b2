// Package gradient turns a worker's pseudo-gradient into an update small enough
// to send, and back: it is the codec, and exact arithmetic on what it encodes.
// It does not train, choose, clip, merge or send, and holds no error feedback:
// the residual is the caller's.
//
// Read it in this order: [Params] say which codec and how much is kept; [Encode]
// compresses D values that a [tensor.Reader] gives out chunk by chunk,
// a = β·e + Δ for a worker, an [Encoder] again and again in the same memory;
// [Update] is the result. [Update.Plain] is the one
// form that is digested, [Update.Wire] one that travels; [ParsePlain] and
// [ParseWire] read them, trusting nothing. [Update.SubtractFrom] gives the
// residual. [Norm] and [Clip] serve clipping, [Vector] with [Dot], [DotVectors]
// and [Overlap] scoring. A [Stored] update stays where it is and is read by
// [Part].
//
// # What is kept
//
// Every tensor has one of the codecs below for all its chunks: tensors of one
// dimension and at most 65,536 values (norms, biases) go dense in 8 bits,
// embeddings may keep another k than the rest, tensors that are frozen are left
// out. K, Bits, EMin and EMax are those of [Params].
//
//	topk    of each chunk of n values the k = ⌈K·n/4096⌉ of largest magnitude,
//	        the lower index first among equals, as a sign and one of 2^(Bits−1)
//	        levels between two mantissas that are fitted to the chunk
//	shared  the values at k places that all workers of a round share ([Params.On]),
//	        said in the same way
//	dct     the same of the chunk's cosine transform
//	sign    the sign of every value, and the mean magnitude of the chunk
//	dense   every value: in 8 bits as an integer of −127 … 127 with an exponent a
//	        chunk, in 16 as bfloat16, in 32 as float32
//
// Every decoded value is a multiple of 2^EMin below 2^(EMax+8) with at most 24
// digits, an exact float32; NaN, infinities and subnormals cannot be said. What
// is larger saturates, and error feedback sends the rest later.
//
// # Plain form
//
// Four bytes "LGU" 0x01, then all chunks of all tensors that are not frozen, in
// layout order, each of a size that layout and parameters determine. Integers are
// little-endian.
//
//	topk, dct   int8          e, exponent
//	            uint8         hi
//	            uint8         lo
//	            k × uint16    positions, strictly ascending
//	            k × Bits bit  codes, lowest bits first: level, then sign
//	shared      the same without positions
//	sign        int8          e, exponent
//	            uint8         m, magnitude
//	            n × 1 bit     1 below zero, lowest bits first
//	dense 8     int8          e, exponent
//	            n × int8      mantissas, not -128
//	dense 16    n × uint16    upper halves of float32 bits
//	dense 32    n × uint32    float32 bits
//
// Level i of L = 2^(Bits−1) is lo + round((hi − lo)·c_i/256) times 2^e with c =
// (256), (0, 256), (0, 62, 144, 256) or (0, 13, 31, 54, 86, 127, 183, 256).
//
// One value has one encoding:
//   - EMin <= e <= EMax (for dct, EMax − 4); hi is at least 128 or e is EMin;
//   - some entry takes hi; some entry takes lo, or all take hi and lo is 0; lo is
//     0 where there is one level; otherwise the levels between differ;
//   - entries that decode to zero have code 0 and the lowest positions that the
//     other entries leave free; a chunk of zeros has e = hi = lo = 0;
//   - unused bits of codes and signs are 0;
//   - m is at least 128 or e is EMin; a chunk of zeros has e = m = 0 and no sign;
//   - the largest dense mantissa is at least 64 or e is EMin; a dense chunk of
//     zeros has e = 0; floats are multiples of 2^EMin, below the bound, not −0.
//
// For dct this is said of the coefficients.
//
// # Wire form
//
// The same four bytes, then columns packed as package column says, for weights,
// embeddings and vectors in turn, those of their codec (none where there is no such
// tensor). Embeddings without a k of their own are weights:
//
//	topk, dct   exponents, high mantissas, low mantissas, gap bytes, signs,
//	            levels: 8, 4 or 2 of them to a byte for 2, 3 or 4 Bits, none for 1
//	shared      the same without gap bytes
//	sign        exponents, magnitudes, signs
//	dense 8     exponents, mantissas
//	dense 16    low bytes, high bytes
//	dense 32    bytes of the lowest order, and so on up
//
// An exponent is less the one before it, modulo 256; signs and levels are those of
// the codes, lowest bits first, beginning a new byte with each chunk; all else is
// as in the plain form. On 256 chunks of independent values at k = 64 and 2 bits this takes 9.28
// and 9.34 bits per kept value for Student's t with 3 and 5 degrees of freedom, of
// which 7.45 go to the position (log2(C(4096,64))/64 = 7.36); at k = 128, 8.09 and
// 8.21 (TestWireBudget).
//
// # Bounds
//
// Parsers compute every length from layout and parameters and compare before
// they allocate. Squared norms are exact in 128 bits because values have at most
// 44 in units of 2^EMin. All results are the same on every processor, at any
// GOMAXPROCS.
//
// # Ownership
//
// An Update is immutable and may be shared by goroutines. The slice given to
// ParsePlain and the one returned by Plain belong to the Update; Wire returns a
// new one, and ParseWire keeps nothing of its input. Functions that append to
// dst follow append. All functions may be called at the same time, but those of an
// Encoder, whose update is overwritten by the next.
package gradient
