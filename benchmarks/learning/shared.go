package main

// This file holds rounds on a support that all workers share.

import (
	"crypto/sha256"
	"fmt"

	"lode/aggregation"
	"lode/gradient"
	"lode/tensor"
)

// sharedRound is a round whose workers send the same places of every chunk, which
// the step before and a seed name, as values alone.
func (l *local) sharedRound(step int) (got traffic, err error) {
	p := l.s.params(step)
	on, err := gradient.NewSupport(l.layout, p.K, l.last, sha256.Sum256(fmt.Appendf(nil, "support %d %d", l.s.Seed, step)))
	if err != nil {
		return traffic{}, err
	}
	p.Codec, p.K = gradient.TopK, tensor.ChunkLen // of the places, all
	var updates []aggregation.Contribution
	for i, w := range l.workers {
		loss, err := l.train(w, i, step)
		if err != nil {
			return traffic{}, err
		}
		u, size, err := w.sendOn(on, p)
		if err != nil {
			return traffic{}, err
		}
		updates = append(updates, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
		got.loss += loss / float64(len(l.workers))
		got.up += size
	}
	cfg := l.s.merge(step)
	cfg.Params = p
	merged, err := aggregation.Merge(on.Layout(), cfg, updates, nil)
	if err != nil {
		return traffic{}, err
	}
	got.down = len(merged.Wire())
	if l.last, err = on.Spread(merged); err != nil {
		return traffic{}, err
	}
	gradient.SubtractVector(l.theta, l.last)
	return got, nil
}

// sendOn compresses what the residual holds on the support and takes it out.
func (w *worker) sendOn(on *gradient.Support, p gradient.Params) (*gradient.Update, int, error) {
	vals, err := on.Gather(w.residual)
	if err != nil {
		return nil, 0, err
	}
	u, err := gradient.Encode(on.Layout(), p, vals)
	if err != nil {
		return nil, 0, err
	}
	wire := u.Wire()
	if u, err = gradient.ParseWire(on.Layout(), p, wire); err != nil {
		return nil, 0, err
	}
	for c := range on.Layout().Chunks() {
		u.SubtractFrom(c, gradient.Unclipped, vals[c.Offset:c.Offset+c.Len])
	}
	on.Scatter(w.residual, vals)
	return u, len(wire), nil
}
