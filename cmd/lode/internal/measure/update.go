package measure

// This file measures what becomes of a round's update in an engine.

import (
	"context"
	"fmt"
	"time"

	"lode/engine"
	"lode/gradient"
)

// UpdateResult is what an engine takes for what workers and validators do between rounds;
// medians, in seconds.
type UpdateResult struct {
	Kept          int     `json:"kept"`   // values of an update
	Scores        int     `json:"scores"` // updates that are multiplied with the gradient
	EncodeSeconds float64 `json:"encode_s"`
	ScoresSeconds float64 `json:"scores_s"` // for all of them
	ApplySeconds  float64 `json:"apply_s"`  // an update taken off the parameters
	RootSeconds   float64 `json:"root_s"`
}

// updateRuns is how often each is timed. Rounds differ in what was left out.
const updateRuns = 5

// Update measures e, which has trained on s, with the default codec: an update with error
// feedback is made, so many are scored as validators do, one is taken off, and what a round
// begins with is hashed.
func Update(ctx context.Context, e engine.Engine, s Size, scores int) (r UpdateResult, err error) {
	l := e.Layout()
	var residual, start engine.Vector
	for _, v := range []*engine.Vector{&residual, &start} {
		if *v, err = e.NewVector(); err != nil {
			return r, err
		}
	}
	if err := engine.Copy(l, start, e.Params()); err != nil {
		return r, err
	}
	r.Scores = scores
	var took [4][]float64
	timed := func(i int, f func() error) error {
		began := time.Now()
		err := f()
		took[i] = append(took[i], time.Since(began).Seconds())
		return err
	}
	var made []gradient.Vector
	for i := range updateRuns {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if _, err := e.Step(s.Batch(uint64(i)), BenchHyper()); err != nil {
			return r, fmt.Errorf("step %d before an update: %w", i, err)
		}
		var u *gradient.Update
		if err := timed(0, func() (err error) {
			u, err = engine.Compress(e, gradient.DefaultParams(), engine.Feedback{Decay: 0.95, Residual: residual, Start: start, Into: residual})
			return err
		}); err != nil {
			return r, fmt.Errorf("compress: %w", err)
		}
		r.Kept, made = u.NumKept(), append(made, u)
		if err := timed(2, func() error { return engine.Subtract(l, start, u, gradient.Unclipped) }); err != nil {
			return r, err
		}
		if err := timed(3, func() error { _, err := engine.Root(l, start); return err }); err != nil {
			return r, err
		}
	}
	vs := make([]gradient.Vector, scores)
	for i := range vs {
		vs[i] = made[i%len(made)]
	}
	for range updateRuns {
		if err := timed(1, func() error { _, err := engine.Dots(e, vs); return err }); err != nil {
			return r, fmt.Errorf("scores: %w", err)
		}
	}
	r.EncodeSeconds, r.ScoresSeconds, r.ApplySeconds, r.RootSeconds = median(took[0]), median(took[1]), median(took[2]), median(took[3])
	return r, nil
}
