package measure

// This file holds the taking of times.

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"lode/tensor"
)

// numRuns is how often each piece of work is timed.
const numRuns = 7

// oneCore runs f on one processor.
func oneCore(f func() error) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return f()
}

// times takes turns: each piece of work once a round, so that a busy moment of the
// machine meets all alike. It returns their medians.
func times(ctx context.Context, work ...func() error) ([]time.Duration, error) {
	took, err := turns(ctx, numRuns, numRuns, work)
	return picked(took, func(d []time.Duration) time.Duration { return d[len(d)/2] }), err
}

// least is times with up to three times the rounds, as far as they fit in two
// seconds, and the shortest of each: for work so short that on a busy machine the
// median is mostly others'.
func least(ctx context.Context, work ...func() error) ([]time.Duration, error) {
	took, err := turns(ctx, 3, 3*numRuns, work)
	return picked(took, func(d []time.Duration) time.Duration { return d[0] }), err
}

// enough is how long rounds go on that need not be.
const enough = 2 * time.Second

// turns runs the work in rounds, atLeast or, while there is time, up to most,
// and returns what each piece took.
func turns(ctx context.Context, atLeast, most int, work []func() error) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(work))
	start := time.Now()
	for round := 0; round < most && (round < atLeast || time.Since(start) < enough); round++ {
		for i, f := range work {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := f(); err != nil {
				return nil, err
			}
			took[i] = append(took[i], time.Since(began))
		}
	}
	return took, nil
}

// picked returns one time of each piece of work, from those sorted.
func picked(took [][]time.Duration, pick func([]time.Duration) time.Duration) []time.Duration {
	out := make([]time.Duration, len(took))
	for i, d := range took {
		slices.Sort(d)
		out[i] = pick(d)
	}
	return out
}

// copying is the yardstick: a copy of as many values between buffers that were
// written before.
func copying(n int) func() error {
	src, dst := make([]float32, n), make([]float32, n)
	for i := range src {
		src[i], dst[i] = float32(i), 1
	}
	return func() error { copy(dst, src); return nil }
}

// heavyTailed returns n values of about 10⁻⁴ with tails like those of
// pseudo-gradients: normal values divided by uniform ones.
func heavyTailed(seed uint64, n int) tensor.Flat {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make(tensor.Flat, n)
	for i := range v {
		v[i] = float32(1e-4 * r.NormFloat64() / (0.1 + r.Float64()))
	}
	return v
}

// layout returns a layout of one matrix of n values.
func layout(n int) tensor.Layout {
	l, err := tensor.NewLayout(tensor.Spec{Name: "w", Shape: []int{n / tensor.ChunkLen, tensor.ChunkLen}})
	if err != nil {
		panic("measure: " + err.Error())
	}
	return l
}
