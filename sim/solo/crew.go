package solo

// This file holds the crew: workers that send updates of one model, and the merge
// that moves it.

import (
	"fmt"

	"lode/aggregation"
	"lode/engine"
	"lode/gradient"
	"lode/tensor"
)

// Crew is the workers of one model and the model that they move together.
type Crew struct {
	Layout  tensor.Layout
	Theta   tensor.Flat        // θ, length D
	Outer   aggregation.Planes // of the merge's optimizer
	Last    *aggregation.Step  // merged last; nil at first
	Members []*Member
}

// Member is one of them.
type Member struct {
	Engine   engine.Engine
	Residual engine.Vector // e, what its updates left out so far; length D

	start engine.Vector // θ_r
}

// NewCrew returns a crew with a member for each engine, all of one layout. θ is zero.
// cfg is what the first merge will be done with.
func NewCrew(cfg aggregation.Config, engines []engine.Engine) (*Crew, error) {
	l := engines[0].Layout()
	c := &Crew{Layout: l, Theta: make(tensor.Flat, l.Len())}
	var err error
	if c.Outer, err = aggregation.NewPlanes(l, cfg); err != nil {
		return nil, err
	}
	for _, e := range engines {
		m := &Member{Engine: e}
		for _, v := range []*engine.Vector{&m.Residual, &m.start} {
			if *v, err = e.NewVector(); err != nil {
				return nil, err
			}
		}
		c.Members = append(c.Members, m)
	}
	return c, nil
}

// Begin gives a member's engine the parameters as they stand.
func (c *Crew) Begin(m *Member) error {
	for _, v := range []engine.Vector{m.Engine.Params(), m.start} {
		if err := tensor.Copy(c.Layout, v, c.Theta); err != nil {
			return fmt.Errorf("parameters: %w", err)
		}
	}
	return nil
}

// Send returns what became of a member's parameters since [Crew.Begin], compressed
// under p, and leaves a = β·e + (θ_r − θ) in its residual.
func (c *Crew) Send(m *Member, p gradient.Params, decay float32) (*gradient.Update, error) {
	return engine.Compress(m.Engine, p, engine.Feedback{Decay: decay, Residual: m.Residual, Start: m.start, Into: m.Residual})
}

// Merge turns updates into a step and remembers it. [Crew.Move] takes it.
func (c *Crew) Merge(cfg aggregation.Config, sent []aggregation.Contribution) (*aggregation.Step, error) {
	step, err := aggregation.Merge(c.Layout, cfg, sent, c.Outer)
	if err == nil {
		c.Last = step
	}
	return step, err
}

// Move subtracts a step from the parameters.
func (c *Crew) Move(s *aggregation.Step) error { return aggregation.Apply(s, c.Theta, c.Theta) }
