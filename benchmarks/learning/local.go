package main

// This file holds training in rounds: workers take inner steps of their own and
// send what came of them; the mean moves the model.

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"lode/aggregation"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/gradient"
	"lode/gradient/column"
	"lode/tensor"
)

// local is every method with updates.
type local struct {
	s       setting
	t       text
	layout  tensor.Layout
	theta   tensor.Flat
	workers []*worker
	momenta aggregation.Planes // of the outer optimizer, and what waits
	last    gradient.Vector    // merged step of the round before, nil in the first
}

// worker is one of them: an engine with moments of its own, and what its updates
// left out so far.
type worker struct {
	e        *cpu.Engine
	residual tensor.Flat
	fresh    []byte // state of an optimizer that has taken no step
}

func newLocal(s setting, m model.Llama, t text) (*local, error) {
	layout, err := model.Layout(m)
	if err != nil {
		return nil, err
	}
	l := &local{s: s, t: t, layout: layout, theta: make(tensor.Flat, layout.Len())}
	if err := start(s, m, l.theta); err != nil {
		return nil, err
	}
	if l.momenta, err = aggregation.NewPlanes(layout, s.merge(0)); err != nil {
		return nil, err
	}
	for range s.Workers {
		e, err := cpu.New(m, cpu.Options{})
		if err != nil {
			return nil, err
		}
		var state bytes.Buffer
		if err := e.WriteState(&state); err != nil {
			return nil, err
		}
		l.workers = append(l.workers, &worker{e: e, residual: make(tensor.Flat, layout.Len()), fresh: state.Bytes()})
	}
	return l, nil
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
func (l *local) engine() (*cpu.Engine, error) {
	e := l.workers[0].e
	return e, tensor.Copy(l.layout, e.Params(), l.theta)
}

func (l *local) round(step int) (got traffic, err error) {
	p, err := l.params(step)
	if err != nil {
		return traffic{}, err
	}
	var updates []aggregation.Contribution
	for i, w := range l.workers {
		loss, err := l.train(w, i, step)
		if err != nil {
			return traffic{}, err
		}
		u, size, err := l.send(w.residual, p, step)
		if err != nil {
			return traffic{}, err
		}
		for c := range l.layout.Chunks() {
			u.SubtractFrom(c, gradient.Unclipped, w.residual[c.Offset:c.Offset+c.Len])
		}
		updates = append(updates, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
		got.loss += loss / float64(len(l.workers))
		got.up += size
	}
	cfg := l.s.merge(step)
	cfg.Params = p
	merged, err := aggregation.Merge(l.layout, cfg, updates, l.momenta)
	if err != nil {
		return traffic{}, err
	}
	l.last = merged
	if l.s.SignStep {
		got.down = l.signStep(merged, float32(l.s.rateAt(step)))
		return got, nil
	}
	got.down = len(merged.Wire())
	return got, aggregation.Apply(merged, l.theta, l.theta)
}

// params returns the parameters of the round that begins at a step, with the places
// that its workers share, if they do.
func (l *local) params(step int) (gradient.Params, error) {
	p := l.s.params(step)
	if p.Codec != gradient.Shared {
		return p, nil
	}
	return p.On(l.layout, l.last, sha256.Sum256(fmt.Appendf(nil, "support %d %d", l.s.Seed, step)))
}

// train takes a worker's inner steps and leaves a = β·e + Δ in its residual.
func (l *local) train(w *worker, index, step int) (loss float64, err error) {
	if err := tensor.Copy(l.layout, w.e.Params(), w.start(l)); err != nil {
		return 0, err
	}
	if l.s.Raw {
		return w.gradient(l, index, step)
	}
	if l.s.Forget {
		if err := w.e.ReadState(bytes.NewReader(w.fresh)); err != nil {
			return 0, err
		}
	}
	h := l.s.inner(step)
	for i := range h {
		at := step + i
		one, err := w.e.Step(rows(l.t.train, l.t.draw(l.s, index, at), l.s.Seq), l.s.hyper(at))
		if err != nil {
			return 0, fmt.Errorf("worker %d, step %d: %w", index, at, err)
		}
		loss += one / float64(h)
	}
	if l.s.Carry {
		clear(w.residual) // θ − now holds it
	}
	return loss, w.add(l, w.e.Params(), func(theta, now float32) float32 { return theta - now })
}

// start returns the parameters that a worker's inner steps begin with.
func (w *worker) start(l *local) tensor.Flat {
	if !l.s.Carry {
		return l.theta
	}
	out := slices.Clone(l.theta)
	for i, e := range w.residual {
		out[i] -= float32(l.s.Decay) * e
	}
	return out
}

// gradient measures one gradient and adds it.
func (w *worker) gradient(l *local, index, step int) (loss float64, err error) {
	loss, err = w.e.Gradient(rows(l.t.train, l.t.draw(l.s, index, step), l.s.Seq))
	if err != nil {
		return 0, err
	}
	return loss, w.add(l, w.e.Grad(), func(_, grad float32) float32 { return grad })
}

// add turns e into β·e + delta(θ, value) for the values of src.
func (w *worker) add(l *local, src tensor.Reader, delta func(theta, value float32) float32) error {
	decay := float32(l.s.Decay)
	var vals [tensor.ChunkLen]float32
	for c := range l.layout.Chunks() {
		if err := src.ReadChunk(c, vals[:c.Len]); err != nil {
			return err
		}
		for i, v := range vals[:c.Len] {
			at := c.Offset + i
			w.residual[at] = decay*w.residual[at] + delta(l.theta[at], v)
		}
	}
	return nil
}

// send compresses a and returns what arrives, and how many bytes it took.
func (l *local) send(a tensor.Flat, p gradient.Params, step int) (*gradient.Update, int, error) {
	if l.s.Method == meanSigma {
		return quantiser{l.layout, p, l.s.boosted(l.s.K, step)}.send(a)
	}
	u, err := gradient.Encode(l.layout, p, a)
	if err != nil {
		return nil, 0, err
	}
	wire := u.Wire()
	arrived, err := gradient.ParseWire(l.layout, p, wire)
	return arrived, len(wire), err
}

// signStep moves every parameter that the merge names by rate and returns the
// bytes of saying so: a bitmap of what moves and one of the signs, packed.
func (l *local) signStep(merged *aggregation.Step, rate float32) int {
	bits := make([][]byte, 2)
	for i := range bits {
		bits[i] = make([]byte, (l.layout.Len()+7)/8)
	}
	var entries []gradient.Entry
	for c := range l.layout.Chunks() {
		entries, _ = merged.Entries(entries[:0], c)
		for _, e := range entries {
			at, move := c.Offset+int(e.Pos), rate
			bits[0][at/8] |= 1 << (at % 8)
			if e.Value < 0 {
				bits[1][at/8] |= 1 << (at % 8)
				move = -rate
			}
			l.theta[at] -= move
		}
	}
	return len(column.Pack(nil, bits...))
}
