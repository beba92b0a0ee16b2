package main

// This file holds a run from first parameters to last point.

import (
	"context"
	"crypto/sha256"
	"fmt"

	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/model"
	"lode/tensor"
)

// method trains one model, round by round.
type method interface {
	// round takes the inner steps from step on and the outer one.
	round(step int) (traffic, error)
	// engine returns an engine with the parameters of the model as it stands.
	engine() (engine.Engine, error)
}

// traffic is what one round brought.
type traffic struct {
	loss     float64 // mean training loss of all steps of all workers
	up, down int     // bytes, of all workers and of one
}

// firstMark is the step of the first point; each next one is at twice as many.
const firstMark = 30

// run trains as s says. A run that diverges is a result too.
func run(ctx context.Context, s setting, m model.Llama, t text) (result, error) {
	if err := s.check(); err != nil {
		return result{}, err
	}
	if s.Seq > m.Context || s.Seq >= len(t.train) || sampleSeq > m.Context || sampleSeq+1 >= len(t.held) {
		return result{}, fmt.Errorf("rows of %d tokens: the model takes %d, the text has %d", s.Seq, m.Context, len(t.train))
	}
	began := processorSeconds()
	way, err := newMethod(s, m, t)
	if err != nil {
		return result{}, err
	}
	r := result{Setting: s}
	var sum point
	var loss float64
	trained, mark := 0, firstMark
	for step := 0; step < s.Steps; {
		if err := ctx.Err(); err != nil {
			return result{}, err
		}
		got, err := way.round(step)
		step += s.inner(step)
		if err != nil {
			r.Fault = fmt.Sprintf("step %d: %v", step, err)
			return r, nil
		}
		loss, trained = loss+got.loss, trained+1
		sum.Rounds++
		sum.Up += float64(got.up) / float64(s.Workers)
		sum.Down += float64(got.down)
		if step < mark && step < s.Steps {
			continue
		}
		for mark <= step {
			mark *= 2
		}
		sum.Steps, sum.Tokens, sum.Train = step, s.tokens(step), loss/float64(trained)
		loss, trained = 0, 0
		if sum.HeldOut, err = heldOut(way, t); err != nil {
			r.Fault = fmt.Sprintf("step %d: %v", step, err)
			return r, nil
		}
		sum.CPU = processorSeconds() - began
		r.Points = append(r.Points, sum)
	}
	return r, nil
}

func heldOut(way method, t text) (float64, error) {
	e, err := way.engine()
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, b := range t.sample() {
		loss, err := e.Loss(b)
		if err != nil {
			return 0, err
		}
		sum += loss
	}
	return sum / sampleBatches, nil
}

func newMethod(s setting, m model.Llama, t text) (method, error) {
	if s.Method == adamW {
		return newJoint(s, m, t)
	}
	return newLocal(s, m, t)
}

// start writes the parameters that a seed begins with.
func start(s setting, m model.Llama, dst tensor.Writer) error {
	return model.Init(m, sha256.Sum256(fmt.Appendf(nil, "learning %d", s.Seed)), dst)
}

// joint is synchronous AdamW: a step on the batches of all workers together,
// which is what averaging their gradients gives. Its bytes are those of dense
// gradients up and down as float32, not measured.
type joint struct {
	s setting
	t text
	e *cpu.Engine
}

func newJoint(s setting, m model.Llama, t text) (*joint, error) {
	e, err := cpu.New(m, cpu.Options{})
	if err != nil {
		return nil, err
	}
	return &joint{s, t, e}, start(s, m, e.Params())
}

func (j *joint) round(step int) (traffic, error) {
	var starts []int
	for w := range j.s.Workers {
		starts = append(starts, j.t.draw(j.s, w, step)...)
	}
	loss, err := j.e.Step(rows(j.t.train, starts, j.s.Seq), j.s.hyper(step))
	size := 4 * j.e.Layout().Len()
	return traffic{loss: loss, up: size * j.s.Workers, down: size}, err
}

func (j *joint) engine() (engine.Engine, error) { return j.e, nil }
