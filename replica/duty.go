package replica

// This file holds the corpus of a run in assigned mode: who trains on what, and what
// everybody measures on.

import (
	"context"
	"iter"

	"lode/data"
	"lode/engine"
	"lode/protocol"
)

// Assigned is a corpus whose pieces the run deals out. Workers take their batches
// from it, validators their samples. In private mode validators alone have it, and
// workers a [Private].
type Assigned struct {
	Plan   data.Plan
	Source data.Source
	shape  []int // of an example, where the corpus holds records
}

// Assigned returns the corpus of a run with that plan.
func (r *Rules) Assigned(p data.Plan, src data.Source) Assigned {
	inputs, _ := r.Model.Takes()
	return Assigned{p, src, inputs.Shape}
}

// Batches yields the batches of a worker's duty, in the order of training. worker
// is its place on a roster of so many workers; which round it is, the seed knows.
func (a Assigned) Batches(ctx context.Context, _ protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		for b, err := range a.Plan.Batches(ctx, a.Source, a.Plan.Duty(seed, workers, worker)) {
			if !yield(a.batch(b, err)) {
				return
			}
		}
	}
}

// Sample draws a batch of so many rows from the training text.
func (a Assigned) Sample(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error) {
	return a.batch(a.Plan.Sample(ctx, a.Source, seed, rows, data.Training))
}

// HeldOut draws a batch of so many rows from the text that is never trained on.
func (a Assigned) HeldOut(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error) {
	return a.batch(a.Plan.Sample(ctx, a.Source, seed, rows, data.HeldOut))
}

// Examine draws a batch of so many rows from blocks of a worker's duty, after the
// fact.
func (a Assigned) Examine(ctx context.Context, duty protocol.Digest, workers, worker int, seed protocol.Digest, rows int) (engine.Batch, error) {
	return a.batch(a.Plan.Examine(ctx, a.Source, a.Plan.Duty(duty, workers, worker), seed, rows))
}

// batch passes a batch on as engines take it.
func (a Assigned) batch(b data.Batch, err error) (engine.Batch, error) {
	if b.Records != nil {
		return examples(b.Records, b.Rows, a.shape), err
	}
	return engine.Tokens(b.Rows, b.Steps, b.Inputs, b.Targets), err
}

// examples reads one record for each row: its class, then its values.
func examples(records []byte, rows int, shape []int) engine.Batch {
	n := len(records) / rows
	b := engine.Batch{
		Rows:    rows,
		Inputs:  engine.Array{Shape: shape, Reals: make([]float32, 0, rows*(n-1))},
		Targets: engine.Array{IDs: make([]int32, rows)},
	}
	for r := range rows {
		record := records[r*n : (r+1)*n]
		b.Targets.IDs[r] = int32(record[0])
		for _, v := range record[1:] {
			b.Inputs.Reals = append(b.Inputs.Reals, float32(v)/255)
		}
	}
	return b
}
