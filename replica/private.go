package replica

// This file holds a worker's own data in private mode.

import (
	"context"
	"fmt"
	"iter"

	"lode/data"
	"lode/data/chance"
	"lode/engine"
	"lode/protocol"
)

// Samples is data that one worker has to itself: sequences of train.steps tokens with
// what follows each, or records; a row of a batch each.
type Samples interface {
	Len() int
	Batch(ctx context.Context, of []int) (data.Batch, error)
}

// Private is the data of one worker in private mode. Which samples it trains on in a
// round follows from run, node and round alone, so that it is the same after a restart:
// rounds go on through an order of the samples that is drawn anew for each epoch, and
// none comes again before all had their turn, but for those of rounds that the worker
// did not take part in.
type Private struct {
	samples Samples
	text    Assigned // how batches are passed on
	rows    int      // of a batch
	inner   int      // H
	seed    protocol.Digest
	order   chance.Order // of all samples: those kept back, then the others
	kept    int
}

// MaxKept is how many of its samples a worker measures with at most.
const MaxKept = 1024

// Private returns the data of a node, of which it keeps a share back to measure with,
// from 0 and below 1: no more samples than a round trains on, for all are measured before
// it and after.
func (r *Rules) Private(node protocol.NodeID, s Samples, share float64) (*Private, error) {
	t := r.Manifest.Train
	inputs, _ := r.Model.Takes()
	p := &Private{samples: s, text: Assigned{shape: inputs.Shape}, rows: int(t.Rows), inner: int(t.InnerSteps)}
	if !(share >= 0 && share < 1) {
		return nil, fmt.Errorf("a share of %v is kept back, want 0 and more, below 1", share)
	}
	n := s.Len()
	if p.kept = min(int(float64(float64(n)*share)+0.5), MaxKept, p.inner*p.rows, n-1); n < 1 {
		return nil, fmt.Errorf("there is no sample to train on")
	}
	if p.kept > p.rows { // batches of one shape, since an engine holds memory for each
		p.kept -= p.kept % p.rows
	}
	p.seed = protocol.Hash("own data", r.Run[:], node[:])
	p.order = chance.NewOrder("kept back", n, p.seed)
	return p, nil
}

// Len returns the number of samples that are trained on.
func (p *Private) Len() int { return p.samples.Len() - p.kept }

// Kept returns the number of samples that are kept back.
func (p *Private) Kept() int { return p.kept }

// Batches yields the batches of round n. Seed and places of the roster do not matter:
// nobody else has this data.
func (p *Private) Batches(ctx context.Context, n protocol.Round, _ protocol.Digest, _, _ int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		num := p.Len()
		at, epoch, of := uint64(n)*uint64(p.inner)*uint64(p.rows), uint64(0), chance.Order{}
		for h := range p.inner {
			rows := make([]int, p.rows)
			for r := range rows {
				if e := at / uint64(num); e != epoch || h+r == 0 {
					epoch, of = e, chance.NewOrder("epoch", num, p.seed, int(e))
				}
				rows[r] = p.order.At(p.kept + of.At(int(at%uint64(num))))
				at++
			}
			if !yield(p.text.batch(p.samples.Batch(ctx, rows))) {
				return
			}
		}
	}
}

// Measure yields what is kept back, in batches.
func (p *Private) Measure(ctx context.Context) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		for from := 0; from < p.kept; from += p.rows {
			rows := make([]int, min(p.rows, p.kept-from))
			for r := range rows {
				rows[r] = p.order.At(from + r)
			}
			if !yield(p.text.batch(p.samples.Batch(ctx, rows))) {
				return
			}
		}
	}
}
