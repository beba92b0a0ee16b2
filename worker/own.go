package worker

// This file holds how the model does on a worker's own data.

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"lode/engine"
	"lode/protocol"
)

// Own is what duties of a worker's own data can do besides.
type Own interface {
	// Len returns the number of samples that are trained on: what an update weighs.
	Len() int
	// Measure yields the samples that are kept back to measure with, none or more.
	Measure(ctx context.Context) iter.Seq2[engine.Batch, error]
}

// Quality is how a model does on samples.
type Quality struct {
	Loss     float64 `json:"loss"`     // nats, mean
	Accuracy float64 `json:"accuracy"` // share that is right, of records and of tokens; 0 if the engine does not grade
	Samples  int     `json:"samples"`
}

// Trained is what training on its own data did for a worker, measured on what it keeps
// back: at the parameters that a round began with, which are the run's, and at those
// after its inner steps.
type Trained struct {
	Round         protocol.Round
	Before, After Quality
}

// own returns the worker's own data, nil in assigned mode.
func (t *trainer) own() Own {
	o, _ := t.cfg.Duties.(Own)
	return o
}

// samples is what a commit of this worker says of its samples.
func (t *trainer) samples() uint32 {
	most := t.cfg.Rules.Manifest.Merge.MaxSamples
	if o := t.own(); o != nil && most > 0 {
		return uint32(min(uint64(o.Len()), uint64(most)))
	}
	return 0
}

// quality measures the engine's parameters on what is kept back.
func (t *trainer) quality(ctx context.Context) (q Quality, err error) {
	o := t.own()
	if o == nil {
		return q, nil
	}
	right, targets := 0, 0
	for b, err := range o.Measure(ctx) {
		var loss float64
		var grades []engine.Grade
		if err == nil {
			loss, grades, err = measure(t.cfg.Engine, b)
		}
		if err != nil {
			return q, fmt.Errorf("own data: %w", err)
		}
		q.Loss += float64(loss * float64(b.Rows))
		q.Samples += b.Rows
		targets += len(grades)
		for _, g := range grades {
			if g.Right {
				right++
			}
		}
	}
	q.Loss /= float64(max(q.Samples, 1))
	q.Accuracy = float64(right) / float64(max(targets, 1))
	return q, nil
}

// measure returns the mean loss on a batch and the grades where there are any, in one
// pass.
func measure(e engine.Engine, b engine.Batch) (loss float64, grades []engine.Grade, err error) {
	err = engine.ErrNoGrades
	if g, ok := e.(engine.Grader); ok {
		grades, err = g.Grade(b)
	}
	if errors.Is(err, engine.ErrNoGrades) {
		loss, err = e.Loss(b)
		return loss, nil, err
	}
	for _, g := range grades {
		loss += g.Loss
	}
	return loss / float64(max(len(grades), 1)), grades, err
}

// tell reports what training did on the worker's own data.
func (t *trainer) tell(r Trained) {
	if r.Before.Samples == 0 {
		return
	}
	t.cfg.Log.Info().Uint64("round", uint64(r.Round)).Int("samples", r.Before.Samples).
		Float64("before", r.Before.Loss).Float64("after", r.After.Loss).
		Float64("right_before", r.Before.Accuracy).Float64("right_after", r.After.Accuracy).Msg("trained on own data")
	if t.cfg.Tell != nil {
		t.cfg.Tell(r)
	}
}
