package gradient

// This file holds the parameters of the codec and the errors of the package.

import (
	"errors"
	"fmt"

	"lode/gradient/column"
	"lode/tensor"
)

// Errors that callers tell apart with errors.Is. A sender is to blame for the
// first two.
var (
	ErrMalformed    = column.ErrMalformed            // bytes that are no update under this layout and these parameters
	ErrNotCanonical = errors.New("not canonical")    // bytes that say in another form what has exactly one
	ErrNotFinite    = errors.New("not finite")       // NaN or an infinity where a number must be
	ErrLayout       = errors.New("layouts differ")   // two vectors of different layouts
	ErrParams       = errors.New("invalid settings") // parameters outside their bounds
)

// Names of codecs, as manifests have them.
const (
	TopK   = "topk"   // the largest values of each chunk, with fitted levels
	Shared = "shared" // values at places that all workers of a round share
	DCT    = "dct"    // the largest coefficients of each chunk's cosine transform (DeMo, arXiv:2411.19870)
	Sign   = "sign"   // one sign for every value, one magnitude a chunk (signSGD, arXiv:1802.04434)
	Dense  = "dense"  // every value, in 8, 16 or 32 bits
)

// Bounds on the exponents of an update. Every decoded value is a multiple of
// 2^EMin below 2^(EMax+8), so values fit 44 bits and squared norms of up to 2^40
// of them fit 128.
const (
	MinExponent  = -100
	MaxExponent  = 64
	MaxExpoRange = 36 // EMax − EMin
)

// DenseLen is the length up to which a tensor of one dimension (norms, biases)
// goes dense under every codec. It is part of the format.
const DenseLen = 1 << 16

// Params are the parameters of the codec. All participants of a run use the
// same; they are part of what gives its bytes their meaning.
type Params struct {
	Codec  string // one of the names above
	K      int    // topk, shared, dct: values kept of a full chunk of 4,096; 1 … 4,096
	KEmbed int    // the same for embeddings; 0 means K
	Bits   int    // of a value: topk, shared and dct 1 … 4, sign 1, dense 8, 16 or 32
	EMin   int8   // lowest exponent of a scale
	EMax   int8   // highest exponent of a scale; at most EMin + 36

	on *support // shared: the places of a round, see [Params.On]
}

// DefaultParams keeps 64 of 4,096 values in 2 bits each, 2⁻⁴⁰ to 255·2⁻⁴ (about
// 10⁻¹² to 16) in magnitude.
func DefaultParams() Params { return Params{Codec: TopK, K: 64, Bits: 2, EMin: -40, EMax: -4} }

// without returns p without the places of a round.
func (p Params) without() Params {
	p.on = nil
	return p
}

// String returns what updates with these parameters have in common, for errors.
// Places of a round are named by a digest.
func (p Params) String() string {
	s := p.Codec
	if p.K > 0 {
		s += fmt.Sprintf(", k %d", p.K)
	}
	if p.KEmbed > 0 {
		s += fmt.Sprintf(", %d of embeddings", p.KEmbed)
	}
	s += fmt.Sprintf(", bits %d, exponents %d to %d", p.Bits, p.EMin, p.EMax)
	if p.on != nil {
		s += ", places " + p.on.name()
	}
	return s
}

// Validate reports all faults at once, as errors that wrap [ErrParams].
func (p Params) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("gradient: "+format+": %w", append(args, ErrParams)...))
		}
	}
	switch p.Codec {
	case TopK, Shared, DCT:
		check(p.K >= 1 && p.K <= tensor.ChunkLen, "k is %d, want 1 to %d", p.K, tensor.ChunkLen)
		check(p.KEmbed >= 0 && p.KEmbed <= tensor.ChunkLen, "k of embeddings is %d, want 0 to %d", p.KEmbed, tensor.ChunkLen)
		check(p.Bits >= 1 && p.Bits <= maxValueBits, "%d bits a value, want 1 to %d", p.Bits, maxValueBits)
	case Sign:
		check(p.Bits == 1, "%d bits a value, signs have 1", p.Bits)
	case Dense:
		check(p.Bits == 8 || p.Bits == 16 || p.Bits == 32, "%d bits a value, want 8, 16 or 32", p.Bits)
	default:
		check(false, "no codec %q", p.Codec)
	}
	check(p.Codec == TopK || p.Codec == Shared || p.Codec == DCT || p.K == 0 && p.KEmbed == 0, "codec %q keeps everything, but k is %d", p.Codec, max(p.K, p.KEmbed))
	check(p.EMin >= MinExponent && p.EMax <= MaxExponent && p.EMin <= p.EMax && int(p.EMax)-int(p.EMin) <= MaxExpoRange,
		"exponents %d to %d, want at most %d apart within %d to %d", p.EMin, p.EMax, MaxExpoRange, MinExponent, MaxExponent)
	check(p.Codec != DCT || int(p.EMax)-int(p.EMin) >= headroom, "exponents %d to %d, codec %q needs %d between them", p.EMin, p.EMax, DCT, headroom)
	return errors.Join(errs...)
}
