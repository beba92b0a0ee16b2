package solo

// This file holds training with one large batch.

import (
	"context"
	"errors"
	"io"
	"iter"

	"lode/engine"
	"lode/protocol"
	"lode/tensor"
)

// together takes each step on the batches of all workers, which is what averaging
// their gradients gives.
type together struct {
	cfg   Config
	e     engine.Engine
	start engine.Vector // where the round began; nil unless train.proximal holds it there
}

func newTogether(cfg Config, e engine.Engine) (t *together, err error) {
	t = &together{cfg: cfg, e: e}
	if cfg.Rules.Manifest.Train.Proximal > 0 {
		if t.start, err = e.NewVector(); err != nil {
			return nil, err
		}
	}
	return t, cfg.Rules.Begin(e.Params())
}

func (t *together) round(ctx context.Context, n protocol.Round, to *totals) error {
	r := t.cfg.Rules
	if t.start != nil {
		if err := tensor.Copy(r.Layout, t.start, t.e.Params()); err != nil {
			return err
		}
	}
	loss, tokens, err := engine.Train(ctx, t.e, r.Hyper(n), int(r.Manifest.Train.InnerSteps), r.Held(t.e, n, t.start, t.batches(ctx, n)))
	to.Loss += loss
	to.Tokens += tokens
	return err
}

// batches yields the joint batches of a round.
func (t *together) batches(ctx context.Context, n protocol.Round) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		nexts := make([]func() (engine.Batch, error, bool), t.cfg.Workers)
		for w := range nexts {
			next, stop := iter.Pull2(t.cfg.Duties.Batches(ctx, n, dutySeed(t.cfg.Rules, n), len(nexts), w))
			defer stop()
			nexts[w] = next
		}
		parts := make([]engine.Batch, len(nexts))
		for {
			for w, next := range nexts {
				b, err, ok := next()
				if !ok && w == 0 {
					return
				}
				if !ok {
					err = errors.New("workers have different numbers of batches")
				}
				if err != nil {
					yield(engine.Batch{}, err)
					return
				}
				parts[w] = b
			}
			if !yield(engine.Join(parts...), nil) {
				return
			}
		}
	}
}

func (t *together) model() (engine.Engine, error) { return t.e, nil }

func (t *together) write(w io.Writer) error {
	return errors.Join(tensor.Stream(w, t.e.Layout(), t.e.Params()), t.e.WriteState(w))
}

func (t *together) read(r io.Reader, _ protocol.Round) error {
	if err := tensor.Fill(t.e.Layout(), t.e.Params(), r); err != nil {
		return err
	}
	return t.e.ReadState(r)
}
