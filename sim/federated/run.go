package federated

// This file holds the server's part of a run.

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sync/errgroup"

	"lode/aggregation"
	"lode/data/chance"
	"lode/gradient"
	"lode/tensor"
)

// Round is what became of a round.
type Round struct {
	Number  int     `json:"round"`   // 0: before the first
	Clients []int   `json:"clients"` // that trained
	Samples int     `json:"samples"` // that they have, all together
	Loss    float64 `json:"loss"`    // in training, the mean over their steps and, by samples, over them
	// Global is on what no client has, Own on what clients keep back; nil where the
	// model was not measured, or nothing is kept back.
	Global *Quality `json:"global,omitempty"`
	Own    *Spread  `json:"own,omitempty"`
	// Model is the root of all parameters: equal if they are.
	Model string `json:"model"`
}

// server is a run in progress.
type server struct {
	*Options
	layout  tensor.Layout // of updates; as exact says
	engines []Engine
	theta   tensor.Flat
	state   aggregation.Planes
	merge   aggregation.Config
	clients []int // that have examples
}

// Run plays a run and returns the parameters it ends with. When ctx ends, so does
// the run, after the round before, with its cause.
func Run(ctx context.Context, o Options) (theta tensor.Flat, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &server{Options: &o, merge: o.Method.Merge, clients: o.trainers()}
	defer func() {
		for _, e := range s.engines {
			err = errors.Join(err, e.Close())
		}
	}()
	if err := s.open(); err != nil {
		return nil, err
	}
	for n := range o.Rounds + 1 {
		r := Round{Number: n}
		if n > 0 {
			if err := s.round(ctx, &r); err != nil {
				return s.theta, err
			}
		}
		if err := s.look(&r); err != nil {
			return s.theta, fmt.Errorf("federated: round %d: %w", n, err)
		}
		if o.Each != nil {
			o.Each(r)
		}
	}
	return s.theta, nil
}

// open opens the engines and makes what the server keeps.
func (s *server) open() error {
	for range min(s.Engines, s.perRound()) {
		e, err := s.Open()
		if err != nil {
			return fmt.Errorf("federated: %w", err)
		}
		s.engines = append(s.engines, e)
	}
	if err := s.fits(s.engines[0]); err != nil {
		return err
	}
	var err error
	if s.layout, err = exact(s.engines[0].Layout()); err != nil {
		return err
	}
	s.theta = make(tensor.Flat, s.layout.Len())
	s.merge.MaxWorkers = s.perRound()
	if err := tensor.Copy(s.layout, s.theta, s.engines[0].Params()); err != nil {
		return err
	}
	s.state, err = aggregation.NewPlanes(s.layout, s.merge)
	return err
}

// exact returns the layout with matrices of one row for vectors, which updates hold
// in 8 bits: those of other tensors have 24.
func exact(l tensor.Layout) (tensor.Layout, error) {
	specs := make([]tensor.Spec, l.NumTensors())
	for t := range specs {
		specs[t] = l.Spec(t)
		if gradient.IsVector(specs[t]) {
			specs[t].Shape = []int{1, specs[t].Len()}
		}
	}
	return tensor.NewLayout(specs...)
}

// perRound returns how many clients train in a round.
func (s *server) perRound() int {
	k := float64(len(s.clients))
	return max(int(math.Ceil(s.Fraction*k-1e-9)), 1) // 0.1·30 is a little more than 3
}

// drawn returns the clients of a round, in the order drawn.
func (s *server) drawn(n int) []int {
	order := chance.New("federated clients", s.Seed, n).Permuted(len(s.clients), s.perRound())
	for i, j := range order {
		order[i] = s.clients[j]
	}
	return order
}

// round lets clients train, and moves the model by what they found.
func (s *server) round(ctx context.Context, r *Round) error {
	r.Clients = s.drawn(r.Number)
	found := make([]trained, len(r.Clients))
	next := make(chan int)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { // ends when all clients are given out, or one has failed
		defer close(next)
		for i := range r.Clients {
			select {
			case next <- i:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for _, e := range s.engines {
		g.Go(func() (err error) { // ends with next
			for i := range next {
				if found[i], err = s.train(ctx, e, r.Number, r.Clients[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.step(r, found)
}

// step merges what clients found and applies it.
func (s *server) step(r *Round, found []trained) error {
	contributions := make([]aggregation.Contribution, len(found))
	sum := 0.0
	for i, f := range found {
		samples := len(s.Train[r.Clients[i]])
		contributions[i] = aggregation.Contribution{Update: f.update, Clip: gradient.Unclipped, Samples: uint32(samples)}
		r.Samples += samples
		sum += f.loss * float64(samples)
	}
	r.Loss = sum / float64(r.Samples)
	step, err := aggregation.Merge(s.layout, s.merge, contributions, s.state)
	if err != nil {
		return fmt.Errorf("federated: round %d: %w", r.Number, err)
	}
	return aggregation.Apply(step, s.theta, s.theta)
}

// look names the model, and measures it when it is time.
func (s *server) look(r *Round) error {
	root, err := tensor.Root(s.layout, s.theta)
	if err != nil {
		return err
	}
	r.Model = hex.EncodeToString(root[:])
	if r.Number%s.Every != 0 && r.Number != s.Rounds {
		return nil
	}
	e := s.engines[0]
	if err := tensor.Copy(s.layout, e.Params(), s.theta); err != nil {
		return err
	}
	m := newMeter(s, e)
	q, err := m.quality(s.Held)
	if err != nil {
		return err
	}
	r.Global = &q
	r.Own, err = m.spread(s.Kept)
	return err
}
