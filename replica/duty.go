package replica

// This file holds the text of a run in assigned mode: who trains on what, and what
// everybody measures on.

import (
	"context"
	"iter"

	"lode/data"
	"lode/engine"
	"lode/protocol"
)

// Assigned is a corpus whose pieces the run deals out. Workers take their batches
// from it, validators their samples; a run on the workers' own data has another
// source of batches and no examination.
type Assigned struct {
	Plan   data.Plan
	Source data.Source
}

// Batches yields the batches of a worker's duty, in the order of training. worker
// is its place on a roster of so many workers.
func (a Assigned) Batches(ctx context.Context, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		for b, err := range a.Plan.Batches(ctx, a.Source, a.Plan.Duty(seed, workers, worker)) {
			if !yield(tokens(b, err)) {
				return
			}
		}
	}
}

// Sample draws a batch of so many rows from the training text.
func (a Assigned) Sample(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error) {
	return tokens(a.Plan.Sample(ctx, a.Source, seed, rows, data.Training))
}

// HeldOut draws a batch of so many rows from the text that is never trained on.
func (a Assigned) HeldOut(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error) {
	return tokens(a.Plan.Sample(ctx, a.Source, seed, rows, data.HeldOut))
}

// Examine draws a batch of so many rows from blocks of a worker's duty, after the
// fact.
func (a Assigned) Examine(ctx context.Context, duty protocol.Digest, workers, worker int, seed protocol.Digest, rows int) (engine.Batch, error) {
	return tokens(a.Plan.Examine(ctx, a.Source, a.Plan.Duty(duty, workers, worker), seed, rows))
}

// tokens passes a batch of text on as engines take it.
func tokens(b data.Batch, err error) (engine.Batch, error) {
	return engine.Tokens(b.Rows, b.Steps, b.Inputs, b.Targets), err
}
