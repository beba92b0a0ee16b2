package federated

// This file holds a client's part of a round.

import (
	"context"
	"fmt"
	"slices"

	"lode/data/chance"
	"lode/engine"
	"lode/gradient"
	"lode/tensor"
)

// trained is what a client found in a round.
type trained struct {
	update *gradient.Update
	loss   float64 // mean over its steps
}

// train lets a client train on engine e.
func (s *server) train(ctx context.Context, e Engine, round, client int) (t trained, err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("federated: round %d, client %d: %w", round, client, err)
		}
	}()
	if err := tensor.Copy(s.layout, e.Params(), s.theta); err != nil {
		return t, err
	}
	steps := 0
	b := newBatches(s.Set, e)
	for epoch := range s.Epochs {
		order := shuffled(s.Train[client], chance.New("federated batches", s.Seed, round, client, epoch))
		for of := range slices.Chunk(order, s.batch(len(order))) {
			if err := context.Cause(ctx); err != nil {
				return t, err
			}
			loss, err := s.descend(e, b, of)
			if err != nil {
				return t, err
			}
			t.loss += loss
			steps++
		}
	}
	t.loss /= float64(steps)
	t.update, err = gradient.Encode(s.layout, s.merge.Params, moved{s.theta, e.Params()})
	return t, err
}

// batch returns how many examples a client with so many takes at a time.
func (s *server) batch(own int) int {
	if s.Batch == 0 {
		return own
	}
	return s.Batch
}

func shuffled(own []int, d chance.Draws) []int {
	order := d.Permuted(len(own), len(own))
	for i, j := range order {
		order[i] = own[j]
	}
	return order
}

// descend takes one step of gradient descent on the loss and the proximal term.
func (s *server) descend(e Engine, b *batches, of []int) (loss float64, err error) {
	batch, err := b.of(of)
	if err != nil {
		return 0, err
	}
	if loss, err = e.Gradient(batch); err != nil {
		return 0, fmt.Errorf("%w (a lower rate may help)", err)
	}
	var own, grads [tensor.ChunkLen]float32
	rate, mu := float32(s.Rate), float32(s.Method.Proximal)
	for c := range s.layout.Chunks() {
		g, w := grads[:c.Len], tensor.View(e.Params(), c)
		inPlace := w != nil
		if err := e.Grad().ReadChunk(c, g); err != nil {
			return 0, err
		}
		if !inPlace {
			w = own[:c.Len]
			if err := e.Params().ReadChunk(c, w); err != nil {
				return 0, err
			}
		}
		start := s.theta[c.Offset:]
		for i, v := range w {
			w[i] = v - rate*(g[i]+mu*(v-start[i]))
		}
		if !inPlace {
			if err := e.Params().WriteChunk(c, w); err != nil {
				return 0, err
			}
		}
	}
	return loss, nil
}

// moved reads start − end.
type moved struct {
	start tensor.Flat
	end   tensor.Reader
}

// ReadChunk implements [tensor.Reader].
func (m moved) ReadChunk(c tensor.Chunk, dst []float32) error {
	if err := m.end.ReadChunk(c, dst); err != nil {
		return err
	}
	for i, v := range dst {
		dst[i] = m.start[c.Offset+i] - v
	}
	return nil
}

var _ engine.Grader = Engine(nil)
