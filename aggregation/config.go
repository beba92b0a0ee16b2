package aggregation

// This file holds the settings of a merge and the bounds that follow from them.

import (
	"errors"
	"fmt"

	"lode/gradient"
	"lode/tensor"
)

// One is 1 as a Q16 number: an integer in units of 2⁻¹⁶.
const One = 1 << q16Bits

// Bounds that keep every intermediate value inside an int64 (see doc.go).
const (
	q16Bits        = 16
	mantissaBits   = 8  // of an update's value
	valueBits      = 44 // of one contribution's value in units of 2^−Unit
	sumBits        = 62 // of the sum of W contributions
	maxRate        = 4 * One
	maxUnit        = 60
	maxStepBits    = 24
	maxStepEMax    = 64
	maxWorkers     = 1 << 20
	maxWhole       = 1 << 12 // contributions that are compared with each other
	maxBucket      = 64
	stateBound     = int64(1) << (valueBits + q16Bits) // of a momentum, in magnitude
	minStepBits    = 2
	defaultUnit    = 40
	defaultBits    = 8
	defaultWorkers = 1 << 12
)

// Config says how contributions become a step. All participants of a run use
// the same; it is part of what gives a step's bytes their meaning. Merges go
// through its parts in this order.
type Config struct {
	Params gradient.Params // of the updates

	ClipNorms bool     // clip contributions to the lower median of their norms
	Mix       bool     // replace each by the mean of the W − Liars nearest to it
	Bucket    int      // replace them by means of so many each; 0 and 1 are off
	Seed      [32]byte // deals the buckets

	Rule    string // how contributions combine: one of Rules
	Liars   int    // f, how many of them may be anything, for Mix and rules that ask
	Senders bool   // ask at each place only those that name it; else they say 0
	// MaxSamples, for the mean, weighs contributions by their Samples, of which at
	// most so many count, whatever a contribution claims; 0: all weigh alike.
	MaxSamples uint32

	Optimizer string // what is made of the result: one of Optimizers
	Rate      uint32 // outer learning rate, Q16; above 0, at most 4.0
	Momentum  uint32 // µ or β1, Q16, below 1.0; for sgd 0
	Second    uint32 // β2, Q16, below 1.0; for fedadam and fedyogi alone
	FloorExp  int    // τ = 2^FloorExp; −Unit … 0, for adaptive optimizers alone

	Unit       int // values are integers in units of 2^−Unit; EMax + Unit at most 36
	StepBits   int // magnitude bits of a step's integers; 2 … 24
	StepKeep   int // values a step moves of a full chunk of 4,096, the rest waits; 0: all
	StepEMax   int // highest exponent of a step's chunk; −Unit … 64
	MaxWorkers int // most contributions to one merge
}

// DefaultConfig is the mean of updates under p with plain SGD at rate 1, exact
// in units of 2⁻⁴⁰, steps of 8 bits, at most 4,096 workers.
func DefaultConfig(p gradient.Params) Config {
	return Config{
		Params: p, Rule: Mean, Optimizer: SGD, Rate: One,
		Unit: defaultUnit, StepBits: defaultBits, StepEMax: 0, MaxWorkers: defaultWorkers,
	}
}

// Validate reports all faults at once, as errors that wrap
// [gradient.ErrParams].
func (c Config) Validate() error {
	errs := []error{c.Params.Validate()}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("aggregation: "+format+": %w", append(args, gradient.ErrParams)...))
		}
	}
	if r, err := findRule(c.Rule); err != nil {
		errs = append(errs, err)
	} else {
		c.checkRule(r, check)
	}
	if _, err := newOptimizer(c); err != nil {
		errs = append(errs, err)
	}
	c.checkBounds(check)
	return errors.Join(errs...)
}

type checkFunc = func(ok bool, format string, args ...any)

// checkRule checks what goes with the rule.
func (c Config) checkRule(r rule, check checkFunc) {
	_, normsOnly := c.needsGram()
	mixes := c.Mix || c.Bucket > 1
	check(c.MaxWorkers <= maxWhole || normsOnly, "%d workers, at most %d where whole rows are compared", c.MaxWorkers, maxWhole)
	check(c.Bucket >= 0 && c.Bucket <= maxBucket, "buckets of %d, want 0 to %d", c.Bucket, maxBucket)
	check(!c.Mix || c.Bucket <= 1, "both mixing and buckets: take one")
	asks := r.liars || c.Mix
	check(!asks || c.Liars >= 1 && c.Liars <= maxWhole, "%d liars, want 1 to %d", c.Liars, maxWhole)
	check(asks || c.Liars == 0, "%d liars, but rule %q does not ask for a number", c.Liars, c.Rule)
	check(!c.Senders || r.byPlace, "rule %q looks at whole rows and cannot leave out who does not send", c.Rule)
	check(!c.Senders || !mixes, "mixed rows have no senders")
	check(c.MaxSamples == 0 || c.Rule == Mean && !mixes && !c.Senders, "only the plain mean weighs by samples")
}

// checkBounds checks the numbers that arithmetic relies on.
func (c Config) checkBounds(check checkFunc) {
	check(c.Rate > 0 && c.Rate <= maxRate, "rate is %d, want 1 to %d", c.Rate, maxRate)
	check(c.Unit >= 0 && c.Unit <= maxUnit, "unit is %d, want 0 to %d", c.Unit, maxUnit)
	check(mantissaBits+int(c.Params.EMax)+c.Unit <= valueBits,
		"highest exponent %d and unit %d exceed %d together", c.Params.EMax, c.Unit, valueBits-mantissaBits)
	check(c.StepBits >= minStepBits && c.StepBits <= maxStepBits, "steps of %d bits, want %d to %d", c.StepBits, minStepBits, maxStepBits)
	check(c.StepKeep >= 0 && c.StepKeep <= tensor.ChunkLen, "steps keep %d of %d values, want 0 to that", c.StepKeep, tensor.ChunkLen)
	check(c.StepEMax >= -c.Unit && c.StepEMax <= maxStepEMax, "highest step exponent %d, want %d to %d", c.StepEMax, -c.Unit, maxStepEMax)
	check(c.MaxWorkers >= 1 && c.MaxWorkers <= maxWorkers, "%d workers, want 1 to %d", c.MaxWorkers, maxWorkers)
	if c.MaxWorkers > 0 {
		bits := max(mantissaBits+int(c.Params.EMax)+c.Unit, 1)
		check(int64(c.MaxWorkers) <= int64(1)<<min(sumBits-bits, 40), "%d workers of %d bits exceed %d bits", c.MaxWorkers, bits, sumBits)
	}
}
