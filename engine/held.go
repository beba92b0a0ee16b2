package engine

// This file holds the proximal step.

import (
	"errors"
	"iter"

	"lode/tensor"
)

// Held yields batches and, once who takes them comes back for more, which is after a step
// on the one before, moves the engine's parameters w to w − share·(w − start). share is
// from 0 to 1. With share = ηµ/(1 + ηµ) that is the proximal operator of ηµ/2·‖w − start‖²
// (Parikh and Boyd, "Proximal Algorithms", 2014, section 6.1.1), which for any η and µ
// does not overshoot.
func Held(e Engine, start tensor.Reader, share float32, batches iter.Seq2[Batch, error]) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for b, err := range batches {
			if !yield(b, err) {
				return
			}
			if err != nil {
				continue
			}
			if err := pull(e, start, share); err != nil {
				yield(Batch{}, err)
				return
			}
		}
	}
}

// pull moves the parameters, in place where they lie in memory, once the steps before are
// taken.
func pull(e Engine, start tensor.Reader, share float32) error {
	if err := queuer(e).Wait(); err != nil {
		return err
	}
	if r, ok := e.Params().(Remote); ok {
		if err := r.Pull(start, share); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	var own, from [tensor.ChunkLen]float32
	for c := range e.Layout().Chunks() {
		if err := start.ReadChunk(c, from[:c.Len]); err != nil {
			return err
		}
		w := tensor.View(e.Params(), c)
		inPlace := w != nil
		if !inPlace {
			w = own[:c.Len]
			if err := e.Params().ReadChunk(c, w); err != nil {
				return err
			}
		}
		for i, v := range w {
			w[i] = v - float32(share*(v-from[i]))
		}
		if inPlace {
			continue
		}
		if err := e.Params().WriteChunk(c, w); err != nil {
			return err
		}
	}
	return nil
}
