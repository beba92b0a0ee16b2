package main

// This file holds training in rounds: workers take inner steps of their own and
// send what came of them; the mean moves the model.

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"lode/aggregation"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/gradient"
	"lode/gradient/column"
	"lode/sim/solo"
	"lode/tensor"
)

// local is every method with updates.
type local struct {
	s     setting
	t     text
	crew  *solo.Crew
	fresh []byte // state of an optimizer that has taken no step
}

func newLocal(s setting, m model.Llama, t text) (*local, error) {
	var engines []engine.Engine
	for range s.Workers {
		e, err := cpu.New(m, cpu.Options{})
		if err != nil {
			return nil, err
		}
		engines = append(engines, e)
	}
	crew, err := solo.NewCrew(s.merge(0), engines)
	if err != nil {
		return nil, err
	}
	var fresh bytes.Buffer
	if err := engines[0].WriteState(&fresh); err != nil {
		return nil, err
	}
	return &local{s, t, crew, fresh.Bytes()}, start(s, m, crew.Theta)
}

// merge returns the settings of the merge after the round that begins at a step.
func (s setting) merge(step int) aggregation.Config {
	cfg := aggregation.DefaultConfig(s.params(step))
	cfg.Rate, cfg.StepBits, cfg.StepKeep = uint32(math.Round(s.OuterRate*aggregation.One)), s.StepBits, s.boosted(s.StepKeep, step)
	cfg.Senders = s.Senders
	if s.OuterMomentum != 0 {
		cfg.Optimizer, cfg.Momentum = "nesterov", uint32(math.Round(s.OuterMomentum*aggregation.One))
	}
	return cfg
}

// engine returns the first worker's engine: every round loads the parameters
// anew.
func (l *local) engine() (engine.Engine, error) {
	e := l.crew.Members[0].Engine
	return e, tensor.Copy(l.crew.Layout, e.Params(), l.crew.Theta)
}

func (l *local) round(step int) (got traffic, err error) {
	p, err := l.params(step)
	if err != nil {
		return traffic{}, err
	}
	var updates []aggregation.Contribution
	for i, m := range l.crew.Members {
		loss, err := l.train(m, i, step)
		if err != nil {
			return traffic{}, err
		}
		u, size, err := l.send(m, p, step)
		if err != nil {
			return traffic{}, err
		}
		if err := engine.Subtract(l.crew.Layout, m.Residual, u, gradient.Unclipped); err != nil {
			return traffic{}, err
		}
		updates = append(updates, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
		got.loss += loss / float64(len(l.crew.Members))
		got.up += size
	}
	cfg := l.s.merge(step)
	cfg.Params = p
	merged, err := l.crew.Merge(cfg, updates)
	if err != nil {
		return traffic{}, err
	}
	if l.s.SignStep {
		got.down = l.signStep(merged, float32(l.s.rateAt(step)))
		return got, nil
	}
	got.down = len(merged.Wire())
	return got, l.crew.Move(merged)
}

// params returns the parameters of the round that begins at a step, with the places
// that its workers share, if they do.
func (l *local) params(step int) (gradient.Params, error) {
	p := l.s.params(step)
	if p.Codec != gradient.Shared {
		return p, nil
	}
	var last gradient.Vector
	if l.crew.Last != nil {
		last = l.crew.Last
	}
	return p.On(l.crew.Layout, last, sha256.Sum256(fmt.Appendf(nil, "support %d %d", l.s.Seed, step)))
}

// train takes a worker's inner steps, or measures the gradient that is sent instead.
func (l *local) train(m *solo.Member, index, step int) (loss float64, err error) {
	if err := l.crew.Begin(m); err != nil {
		return 0, err
	}
	if l.s.Raw {
		return m.Engine.Gradient(rows(l.t.train, l.t.draw(l.s, index, step), l.s.Seq))
	}
	if l.s.Carry {
		if err := l.carry(m); err != nil {
			return 0, err
		}
	}
	if l.s.Forget {
		if err := m.Engine.ReadState(bytes.NewReader(l.fresh)); err != nil {
			return 0, err
		}
	}
	h := l.s.inner(step)
	for i := range h {
		at := step + i
		one, err := m.Engine.Step(rows(l.t.train, l.t.draw(l.s, index, at), l.s.Seq), l.s.hyper(at))
		if err != nil {
			return 0, fmt.Errorf("worker %d, step %d: %w", index, at, err)
		}
		loss += one / float64(h)
	}
	return loss, nil
}

// carry moves a worker's parameters by what it has not sent yet, so that their change
// holds it.
func (l *local) carry(m *solo.Member) error {
	decay := float32(l.s.Decay)
	return l.each(m.Residual, m.Engine.Params(), m.Engine.Params(), func(e, theta float32) (float32, float32) { return 0, theta - decay*e })
}

// each replaces the values x of one vector and y of another. Those go to out, if
// there is one.
func (l *local) each(of engine.Vector, other tensor.Reader, out tensor.Writer, f func(x, y float32) (newX, newY float32)) error {
	var xs, ys [tensor.ChunkLen]float32
	for c := range l.crew.Layout.Chunks() {
		if err := errors.Join(of.ReadChunk(c, xs[:c.Len]), other.ReadChunk(c, ys[:c.Len])); err != nil {
			return err
		}
		for i := range c.Len {
			xs[i], ys[i] = f(xs[i], ys[i])
		}
		if err := of.WriteChunk(c, xs[:c.Len]); err != nil {
			return err
		}
		if out == nil {
			continue
		}
		if err := out.WriteChunk(c, ys[:c.Len]); err != nil {
			return err
		}
	}
	return nil
}

// send compresses a = β·e + Δ, which stays in the residual, and returns what arrives
// and how many bytes it took.
func (l *local) send(m *solo.Member, p gradient.Params, step int) (u *gradient.Update, size int, err error) {
	decay := float32(l.s.Decay)
	if !l.s.Raw {
		u, err = l.crew.Send(m, p, decay)
	} else if err = l.each(m.Residual, m.Engine.Grad(), nil, func(e, g float32) (float32, float32) { return decay*e + g, g }); err == nil {
		u, err = gradient.Encode(l.crew.Layout, p, m.Residual)
	}
	if err != nil {
		return nil, 0, err
	}
	if l.s.Method == meanSigma {
		a := make(tensor.Flat, l.crew.Layout.Len())
		if err := tensor.Copy(l.crew.Layout, a, m.Residual); err != nil {
			return nil, 0, err
		}
		return quantiser{l.crew.Layout, p, l.s.boosted(l.s.K, step)}.send(a)
	}
	wire := u.Wire()
	arrived, err := gradient.ParseWire(l.crew.Layout, p, wire)
	return arrived, len(wire), err
}

// signStep moves every parameter that the merge names by rate and returns the
// bytes of saying so: a bitmap of what moves and one of the signs, packed.
func (l *local) signStep(merged *aggregation.Step, rate float32) int {
	bits := make([][]byte, 2)
	for i := range bits {
		bits[i] = make([]byte, (l.crew.Layout.Len()+7)/8)
	}
	var entries []gradient.Entry
	for c := range l.crew.Layout.Chunks() {
		entries, _ = merged.Entries(entries[:0], c)
		for _, e := range entries {
			at, move := c.Offset+int(e.Pos), rate
			bits[0][at/8] |= 1 << (at % 8)
			if e.Value < 0 {
				bits[1][at/8] |= 1 << (at % 8)
				move = -rate
			}
			l.crew.Theta[at] -= move
		}
	}
	return len(column.Pack(nil, bits...))
}
