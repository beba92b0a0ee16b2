package engine

// This file holds the schedule of the learning rate.

import (
	"errors"
	"fmt"
	"math"
)

// The shapes of a [Schedule], after its warm-up.
const (
	Constant = "constant" // stays
	Linear   = "linear"   // falls in a straight line
	Cosine   = "cosine"   // falls by half a cosine (arXiv:1608.03983, section 3, without restarts)
	// WSD is warm-up, stable, decay (S. Hu and others, "MiniCPM", arXiv:2404.06395,
	// section 4.2): the rate stays, and falls over the last share alone. How is left
	// open there; here it falls in a straight line.
	WSD = "wsd"
)

// Schedule says how the learning rate runs over ticks, which are steps or rounds,
// counted from 0. In the warm-up it rises in a straight line, (t+1)/(Warmup+1),
// then it falls from 1 to Final, where it is at tick Length and ever after.
type Schedule struct {
	Shape  string
	Warmup int     // ticks of the warm-up
	Length int     // ticks of the whole, more than Warmup; 0 for Constant
	Final  float64 // rate at the end, 0 to 1; 0 for Constant
	Decay  float64 // for WSD the share of Length, at its end, over which the rate falls, above 0, up to 1; otherwise 0
}

// Validate reports all faults at once.
func (s Schedule) Validate() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("schedule: "+format, args...))
		}
	}
	want(s.Warmup >= 0, "warm-up of %d", s.Warmup)
	switch s.Shape {
	case Constant:
		want(s.Length == 0 && s.Final == 0 && s.Decay == 0, "a constant rate has no length, end or decay")
		return errors.Join(errs...)
	case Linear, Cosine:
		want(s.Decay == 0, "shape %s falls over its whole length, not over a share of %v", s.Shape, s.Decay)
	case WSD:
		want(s.Decay > 0 && s.Decay <= 1, "decay is %v, want above 0, at most 1", s.Decay)
	default:
		want(false, "no shape %q; there are %s, %s, %s and %s", s.Shape, Constant, Linear, Cosine, WSD)
	}
	want(s.Length > s.Warmup, "it is %d long, of which %d are warm-up", s.Length, s.Warmup)
	want(s.Final >= 0 && s.Final <= 1, "it ends at %v, want 0 to 1", s.Final)
	return errors.Join(errs...)
}

// At returns the rate at a tick as a share of its peak, 0 to 1: the same bits on
// every machine. The schedule must be valid and the tick not below 0.
func (s Schedule) At(tick int) float64 {
	if tick < s.Warmup {
		return float64(tick+1) / float64(s.Warmup+1)
	}
	from := s.Warmup
	switch s.Shape {
	case Constant:
		return 1
	case WSD:
		from = max(from, s.Length-int(math.Ceil(float64(s.Decay*float64(s.Length)))))
	}
	left := min(max(s.Length-tick, 0), s.Length-from) // ticks
	share := float64(left) / float64(s.Length-from)
	if s.Shape == Cosine {
		share = rise(left, s.Length-from)
	}
	return float64((1-s.Final)*share) + s.Final
}

// rise returns (1 − cos(π·n/of))/2 for n from 0 to of: sin²(π/2·n/of), or 1 less
// the same of the rest where that is nearer, so that series stay short.
func rise(n, of int) float64 {
	if 2*n > of {
		return 1 - rise(of-n, of)
	}
	s := sine(float64(float64(n)/float64(of)) * (math.Pi / 2))
	return float64(s * s)
}

// sine returns sin(x) for x from 0 to π/4 by its series up to x¹⁵, the smallest term
// first; the next one is below 5e-17. Each operation rounds once, so no platform can
// differ, as [math.Sin] may.
func sine(x float64) float64 {
	square, sum := float64(x*x), 1.0
	for i := 14; i >= 2; i -= 2 {
		sum = 1 - float64(float64(square*sum)/float64(i*(i+1)))
	}
	return float64(x * sum)
}
