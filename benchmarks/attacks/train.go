package main

// This file holds a run: training in rounds under one rule and one attack.

import (
	"math/rand/v2"

	"lode/aggregation"
	"lode/gradient"
	"lode/tensor"
)

const (
	numWorkers = 10
	testPart   = 5 // one digit in so many is for testing
	gatePart   = 10
	batch      = 32
	localSteps = 5
	rate       = 0.1
	decay      = 0.95 // β of error feedback
	keep       = 256  // of 4,096 values, where updates are sparse
)

// sendings are the ways updates are sent.
var sendings = []string{"dense", "topk", "shared"}

// setting is all that a run's result depends on.
type setting struct {
	send          string
	rule          rule
	attack        attack
	liars, rounds int
	alpha         float64
	seed          uint64
}

func defaults() setting { return setting{liars: 2, rounds: 60, alpha: 0.5, seed: 1} }

// rule is how updates are merged.
type rule struct {
	name string
	// gate leaves out updates along which the loss on the validators' digits does
	// not fall, to first order.
	gate   bool
	notFor string // a way of sending
	set    func(c *aggregation.Config, liars int)
}

var rules = []rule{
	{name: "mean", set: func(*aggregation.Config, int) {}},
	{name: "gate, clip, mean (default)", gate: true, set: func(c *aggregation.Config, _ int) { c.ClipNorms = true }},
	{name: "clip, mean", set: func(c *aggregation.Config, _ int) { c.ClipNorms = true }},
	{name: "mixing, trimmed mean", set: func(c *aggregation.Config, f int) {
		c.Mix, c.Rule, c.Liars = true, aggregation.TrimmedMean, f
	}},
	{name: "clip, mixing, trimmed mean", set: func(c *aggregation.Config, f int) {
		c.ClipNorms, c.Mix, c.Rule, c.Liars = true, true, aggregation.TrimmedMean, f
	}},
	{name: "trimmed mean", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.TrimmedMean, f }},
	{name: "median", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.Median }},
	{name: "sign majority", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.SignMajority }},
	{name: "krum", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.Krum, f }},
	{name: "multi-krum", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.MultiKrum, f }},
	{name: "bulyan", set: func(c *aggregation.Config, f int) { c.Rule, c.Liars = aggregation.Bulyan, f }},
	{name: "geometric median", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.GeometricMedian }},
	{name: "centred clipping", set: func(c *aggregation.Config, _ int) { c.Rule = aggregation.CentredClipping }},
}

// run is one training.
type run struct {
	setting
	r        *rand.Rand
	layout   tensor.Layout
	theta    tensor.Flat
	shards   []digits
	gate     digits
	residual []tensor.Flat
	last     gradient.Vector // step of the round before, for shared supports
}

// train returns the share of test digits that the model gets right at the end.
func train(s setting, all digits) (float64, error) {
	t := &run{setting: s, r: rand.New(rand.NewPCG(s.seed, 7)), layout: layout()}
	var test, rest digits
	for i, d := range all {
		switch {
		case i%testPart == 0:
			test = append(test, d)
		case i%gatePart == 1:
			t.gate = append(t.gate, d)
		default:
			rest = append(rest, d)
		}
	}
	t.theta = newModel(t.r)
	t.shards = deal(rest, numWorkers, s.alpha, t.r)
	for range numWorkers {
		t.residual = append(t.residual, make(tensor.Flat, numAll))
	}
	for range s.rounds {
		if err := t.round(); err != nil {
			return 0, err
		}
	}
	return accuracy(t.theta, test), nil
}

func (t *run) round() error {
	changes := make([]tensor.Flat, numWorkers)
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
	var updates []aggregation.Contribution
	for w, a := range changes {
		u, err := t.encode(t.layout, p, w, a)
		if err != nil {
			return err
		}
		updates = append(updates, aggregation.Contribution{Update: u, Clip: gradient.Unclipped})
	}
	if t.rule.gate {
		updates = t.passing(t.layout, updates, t.gradient())
	}
	step, err := t.merge(t.layout, p, updates)
	if err != nil {
		return err
	}
	gradient.SubtractVector(t.theta, step)
	t.last = step
	return nil
}

// local takes a worker's steps and returns θ before minus θ after.
func (t *run) local(w int) tensor.Flat {
	theta := append(tensor.Flat(nil), t.theta...)
	lies := w < t.liars && t.attack.flips
	grad := make(tensor.Flat, numAll)
	for range localSteps {
		clear(grad)
		for range batch {
			d := t.shards[w][t.r.IntN(len(t.shards[w]))]
			label := d.label
			if lies {
				label = numLabels - 1 - label
			}
			addGradient(grad, theta, d, label, 1.0/batch)
		}
		for i, g := range grad {
			theta[i] -= rate * g
		}
	}
	for i, v := range theta {
		theta[i] = t.theta[i] - v
	}
	return theta
}

// gradient returns that of the loss on some of the validators' digits.
func (t *run) gradient() tensor.Flat {
	grad := make(tensor.Flat, numAll)
	const num = 8 * batch
	for range num {
		d := t.gate[t.r.IntN(len(t.gate))]
		addGradient(grad, t.theta, d, d.label, 1.0/num)
	}
	return grad
}

func dense() gradient.Params {
	return gradient.Params{Codec: gradient.Dense, Bits: 16, EMin: -40, EMax: -4}
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

// feed joins a worker's change with what its updates left out.
func (t *run) feed(w int, a tensor.Flat) {
	for i, v := range a {
		t.residual[w][i] = decay*t.residual[w][i] + v
	}
}

func (t *run) encode(l tensor.Layout, p gradient.Params, w int, a tensor.Flat) (*gradient.Update, error) {
	if p.Codec == gradient.Dense {
		return gradient.Encode(l, p, a)
	}
	t.feed(w, a)
	u, err := gradient.Encode(l, p, t.residual[w])
	if err != nil {
		return nil, err
	}
	for c := range l.Chunks() {
		u.SubtractFrom(c, gradient.Unclipped, t.residual[w][c.Offset:c.Offset+c.Len])
	}
	return u, nil
}

// passing returns the updates along which the loss falls.
func (t *run) passing(l tensor.Layout, all []aggregation.Contribution, grad tensor.Flat) []aggregation.Contribution {
	var pass []aggregation.Contribution
	for _, c := range all {
		if dot, err := gradient.Dot(c.Update.(*gradient.Update), grad); err == nil && dot > 0 {
			pass = append(pass, c)
		}
	}
	return pass
}

func (t *run) merge(l tensor.Layout, p gradient.Params, updates []aggregation.Contribution) (*aggregation.Step, error) {
	cfg := aggregation.DefaultConfig(p)
	cfg.StepBits = 24
	t.rule.set(&cfg, max(t.liars, 1))
	return aggregation.Merge(l, cfg, updates, nil)
}
