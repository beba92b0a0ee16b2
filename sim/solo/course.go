package solo

// This file holds the course of a training: rounds, measurements, and when what was
// learnt is kept.

import (
	"context"
	"time"

	"lode/engine"
	"lode/protocol"
)

// Point is where a training stands: one line of its learning curve.
type Point struct {
	Rounds   int     `json:"rounds"`
	Steps    int     `json:"steps"`     // of each worker
	Tokens   uint64  `json:"tokens"`    // of all workers
	Loss     float64 `json:"loss"`      // training loss: the mean of all steps since the point before, nats
	HeldOut  float64 `json:"held_out"`  // nats
	Rate     float64 `json:"rate"`      // of the last step
	GradNorm float64 `json:"grad_norm"` // of the last step, before clipping; of workers apart the mean
	Up       float64 `json:"up"`        // bytes that one worker has sent, the mean of all; 0 where none sends
	Down     float64 `json:"down"`      // bytes that one worker has received
	Speed    float64 `json:"tokens_per_s"`
}

// Course says where a training goes and who hears of it. It ends after so many
// rounds, or between two of them when its context does; a round is never cut.
type Course struct {
	Trainer *Trainer
	Rounds  int            // in all
	Measure int            // rounds between two points, above 0; the last round has one too
	Keep    int            // rounds between two calls of Kept, above 0
	HeldOut []engine.Batch // of one size, above none

	Passed   func(rounds int)  // after each round; may be nil
	Measured func(Point) error // at each point
	Kept     func() error      // every Keep rounds, at the end, and when the context ends
}

// Run goes on to the end.
func (c Course) Run(ctx context.Context) error {
	t := c.Trainer
	watch := stopwatch{tokens: t.Tokens()}
	for t.Rounds() < c.Rounds {
		if ctx.Err() != nil {
			if err := c.Kept(); err != nil {
				return err
			}
			return ctx.Err()
		}
		watch.start()
		if err := t.Round(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		watch.stop()
		if c.Passed != nil {
			c.Passed(t.Rounds())
		}
		last := t.Rounds() == c.Rounds
		if last || t.Rounds()%c.Measure == 0 {
			if err := c.measure(context.WithoutCancel(ctx), &watch); err != nil {
				return err
			}
		}
		if last || t.Rounds()%c.Keep == 0 {
			if err := c.Kept(); err != nil {
				return err
			}
		}
	}
	return nil
}

// measure makes a point and begins the interval to the next.
func (c Course) measure(ctx context.Context, w *stopwatch) error {
	p, err := c.Trainer.point(ctx, c.HeldOut)
	if err != nil {
		return err
	}
	p.Speed = w.lap(p.Tokens)
	return c.Measured(p)
}

// point measures where the trainer stands, and forgets the losses up to here. At
// least one round was trained.
func (t *Trainer) point(ctx context.Context, heldOut []engine.Batch) (p Point, err error) {
	d, r := &t.done, t.cfg.Rules
	p = Point{
		Rounds: int(d.Rounds), Steps: int(d.Rounds) * int(r.Manifest.Train.InnerSteps), Tokens: d.Tokens,
		Loss: d.Loss / float64(max(d.Lossful, 1)), Rate: float64(r.Hyper(protocol.Round(d.Rounds - 1)).Rate),
		Up: float64(d.Up) / float64(t.cfg.Workers), Down: float64(d.Down),
	}
	p.GradNorm = t.norm
	if p.HeldOut, err = t.Loss(ctx, heldOut); err != nil {
		return p, err
	}
	return p, t.insist(ctx, func() error {
		d.Loss, d.Lossful = 0, 0
		return t.save()
	})
}

// stopwatch measures how fast tokens are trained on, between two laps.
type stopwatch struct {
	began  time.Time
	passed time.Duration
	tokens uint64 // at the last lap
}

func (s *stopwatch) start() { s.began = time.Now() }
func (s *stopwatch) stop()  { s.passed += time.Since(s.began) }

// lap returns tokens a second since the last.
func (s *stopwatch) lap(tokens uint64) float64 {
	speed := float64(tokens-s.tokens) / max(s.passed.Seconds(), 1e-9)
	s.passed, s.tokens = 0, tokens
	return speed
}
