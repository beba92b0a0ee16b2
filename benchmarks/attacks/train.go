package main

// This file holds a run: training in rounds under one rule and one attack.

import (
	"math/rand/v2"
	"slices"

	"lode/aggregation"
	"lode/engine/kernel"
	"lode/gradient"
	"lode/tensor"
	"lode/validator/score"
)

const (
	testPart  = 5 // one digit in so many is for testing
	gatePart  = 10
	gateBatch = 256
	batchLen  = 25
	rate      = 0.3 // at the start; at the end a tenth of it
	momentum  = 0.9
	decay     = 0.95 // β of error feedback
	keep      = 256  // of 4,096 values, where updates are sparse
)

// sendings are the ways updates are sent.
var sendings = []string{"dense", "topk", "shared"}

// setting is all that a run's result depends on.
type setting struct {
	send           string
	rule           rule
	attack         attack
	workers, liars int
	idle           bool // liars have no digits of their own: the honest have all
	rounds, steps  int  // steps each worker takes in a round
	alpha          float64
	seed           uint64
}

// defaults takes the momentum, the batch and the 800 steps of ByzFL's runs on MNIST.
// Their rate is 0.1, for four times as many pixels.
func defaults() setting {
	return setting{workers: 10, liars: 2, rounds: 80, steps: 10, alpha: 1, seed: 1}
}

// run is one training.
type run struct {
	setting
	r        *rand.Rand
	layout   tensor.Layout
	theta    tensor.Flat
	shards   []digits
	held     digits // the validators'
	board    score.Board
	velocity []tensor.Flat   // of each worker
	residual []tensor.Flat   // of each worker, where updates are sparse
	last     gradient.Vector // step of the round before, for shared places
	past     int             // rounds
}

// train returns the share of test digits that the model gets right at the end.
func train(s setting, all digits) (float64, error) {
	rights, err := trainUntil(s, all, s.rounds)
	if err != nil {
		return 0, err
	}
	return rights[0], nil
}

// trainUntil returns the share after each of these rounds, which ascend.
func trainUntil(s setting, all digits, rounds ...int) ([]float64, error) {
	t, test := newRun(s, all)
	var rights []float64
	for r := 1; len(rights) < len(rounds); r++ {
		if err := t.round(); err != nil {
			return nil, err
		}
		if r == rounds[len(rights)] {
			rights = append(rights, accuracy(t.theta, test))
		}
	}
	return rights, nil
}

// newRun returns a run at its beginning, and the digits for testing.
func newRun(s setting, all digits) (*run, batch) {
	t := &run{setting: s, r: rand.New(rand.NewPCG(s.seed, 7)), layout: layout()}
	test, rest := newBatch(len(all)/testPart+1), digits(nil)
	for i, d := range all {
		switch {
		case i%testPart == 0:
			test.add(d)
		case i%gatePart == 1:
			t.held = append(t.held, d)
		default:
			rest = append(rest, d)
		}
	}
	t.theta = newModel(t.r)
	if s.idle {
		t.shards = deal(rest, s.workers-s.liars, s.alpha, t.r)
		t.shards = slices.Concat(t.shards[:s.liars], t.shards) // what liars do with them is not sent
	} else {
		t.shards = deal(rest, s.workers, s.alpha, t.r)
	}
	for range s.workers {
		t.velocity = append(t.velocity, make(tensor.Flat, numAll))
		t.residual = append(t.residual, make(tensor.Flat, numAll))
	}
	return t, test
}

func (t *run) round() error {
	changes := make([]tensor.Flat, t.workers)
	for w := range changes {
		changes[w] = t.local(w)
	}
	honest := changes[t.liars:] // the first ones lie
	for w := range t.liars {
		changes[w] = t.attack.make(honest, changes[w], t.r)
	}
	p, err := t.params()
	if err != nil {
		return err
	}
	sent := make([]*gradient.Update, len(changes))
	for w, a := range changes {
		if sent[w], err = t.encode(p, w, a); err != nil {
			return err
		}
	}
	clips, err := t.judge(sent)
	if err != nil {
		return err
	}
	var merged []aggregation.Contribution
	for w, clip := range clips {
		if clip > 0 {
			merged = append(merged, aggregation.Contribution{Update: sent[w], Clip: clip})
		}
		t.settle(w, sent[w], clip)
	}
	cfg := aggregation.DefaultConfig(p)
	cfg.StepBits = 24
	t.rule.set(&cfg, t.liars)
	step, err := aggregation.Merge(t.layout, cfg, merged, nil)
	if err != nil {
		return err
	}
	gradient.SubtractVector(t.theta, step)
	t.last = step
	t.past++
	return nil
}

// params returns the parameters of a round's updates.
func (t *run) params() (gradient.Params, error) {
	p := gradient.DefaultParams()
	p.K = keep
	switch t.send {
	case "dense":
		return dense(), nil
	case "topk":
		return p, nil
	}
	p.Codec, p.Bits = gradient.Shared, 4
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(t.r.Uint32())
	}
	return p.On(t.layout, t.last, seed)
}

func dense() gradient.Params {
	return gradient.Params{Codec: gradient.Dense, Bits: 8, EMin: -40, EMax: -4}
}

// encode returns worker w's update for a change. Sparse ones say what earlier ones
// left out as well.
func (t *run) encode(p gradient.Params, w int, a tensor.Flat) (*gradient.Update, error) {
	if t.send == "dense" {
		return gradient.Encode(t.layout, p, a)
	}
	kernel.Scale(t.residual[w], decay)
	kernel.Axpy(t.residual[w], 1, a)
	return gradient.Encode(t.layout, p, t.residual[w])
}

// settle takes from worker w's residual what its update said: what was clipped off
// waits, what was refused does not come again.
func (t *run) settle(w int, u *gradient.Update, clip gradient.Clip) {
	if t.send == "dense" {
		return
	}
	if clip == 0 {
		clip = gradient.Unclipped
	}
	for c := range t.layout.Chunks() {
		u.SubtractFrom(c, clip, t.residual[w][c.Offset:c.Offset+c.Len])
	}
}

// judge asks the rule's gate with which factor each update is merged.
func (t *run) judge(sent []*gradient.Update) ([]gradient.Clip, error) {
	var grad tensor.Flat
	if t.rule.gate.scores {
		grad = t.gradient()
	}
	return t.rule.gate.judge(&t.board, sent, grad)
}

// local takes a worker's steps, with momentum from round to round, and returns θ
// before minus θ after.
func (t *run) local(w int) tensor.Flat {
	theta := append(tensor.Flat(nil), t.theta...)
	lies := w < t.liars && t.attack.flips
	v, r := t.velocity[w], rate*(1-0.9*float32(t.past)/float32(t.rounds))
	for range t.steps {
		kernel.Scale(v, momentum)
		of := t.draw(t.shards[w], batchLen)
		if lies {
			for i, label := range of.labels {
				of.labels[i] = numLabels - 1 - label
			}
		}
		addGradient(v, theta, of)
		kernel.Axpy(theta, -r*(1-momentum), v)
	}
	for i, v := range theta {
		theta[i] = t.theta[i] - v
	}
	return theta
}

// gradient returns that of the loss on some of the validators' digits.
func (t *run) gradient() tensor.Flat {
	grad := make(tensor.Flat, numAll)
	addGradient(grad, t.theta, t.draw(t.held, gateBatch))
	return grad
}

// draw returns num of the digits, some perhaps twice.
func (t *run) draw(from digits, num int) batch {
	b := newBatch(num)
	for range num {
		b.add(from[t.r.IntN(len(from))])
	}
	return b
}
