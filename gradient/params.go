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

// Bounds on the exponents of an update. They make every decoded value a normal
// float32 and every squared norm of up to 2^40 values fit 128 bits.
const (
	MinExponent  = -100
	MaxExponent  = 64
	MaxExpoRange = 36 // EMax − EMin: 16 + 2·36 + 40 = 128 bits
)

// DenseLen is the length up to which a tensor of one dimension (norms, biases)
// goes dense. It is part of the format.
const DenseLen = 1 << 16

// Params are the parameters of the codec. All participants of a run use the
// same; they are part of what gives its bytes their meaning.
type Params struct {
	K    int  // values kept of a full chunk of 4,096; 1 … 4,096
	EMin int8 // lowest exponent of a scale
	EMax int8 // highest exponent of a scale; at most EMin + 36
}

// DefaultParams keeps 64 of 4,096 values, 2⁻⁴⁰ to 255·2⁻⁴ (about 10⁻¹² to 16) in magnitude.
func DefaultParams() Params { return Params{K: 64, EMin: -40, EMax: -4} }

// Validate reports all faults at once, as errors that wrap [ErrParams].
func (p Params) Validate() error {
	var errs []error
	if p.K < 1 || p.K > tensor.ChunkLen {
		errs = append(errs, fmt.Errorf("gradient: k is %d, want 1 to %d: %w", p.K, tensor.ChunkLen, ErrParams))
	}
	if p.EMin < MinExponent || p.EMax > MaxExponent || p.EMin > p.EMax || int(p.EMax)-int(p.EMin) > MaxExpoRange {
		errs = append(errs, fmt.Errorf("gradient: exponents %d to %d, want at most %d apart within %d to %d: %w",
			p.EMin, p.EMax, MaxExpoRange, MinExponent, MaxExponent, ErrParams))
	}
	return errors.Join(errs...)
}

// kept returns how many of the n values of a chunk are kept: ⌈K·n/4096⌉.
func (p Params) kept(n int) int { return (p.K*n + tensor.ChunkLen - 1) / tensor.ChunkLen }
