package main

// This file holds what a card is tried on: models, steps and bits that the processor finds
// as well.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"lode/cmd/lode/internal/measure"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/cuda"
	"lode/engine/cuda/driver"
	"lode/engine/model"
	"lode/gradient"
)

// trial is a model to train, and how far losses may be from the processor's.
type trial struct {
	name   string
	model  model.Model
	half   bool
	within float64 // of the loss
	batch  func(step int) engine.Batch
}

const (
	trialSteps = 4
	exactly    = 1e-3 // sums come in another order
	roughly    = 3e-2 // bf16 has 8 bits; the conformance kit allows as much
)

var (
	trialMLP   = model.MLP{Input: []int{40}, Hidden: []int{70, 30}, Activation: model.GELU, Classes: 9}
	trialLlama = model.Llama{ // grouped heads, rotary positions, no length a power of two
		Dim: 72, Layers: 2, Heads: 6, KVHeads: 2, FFN: 100, Vocab: 61, Context: 37, RopeTheta: 1e4, NormEps: 1e-5,
	}
	trials = []trial{
		{"a perceptron in float32", trialMLP, false, exactly, mlpBatch},
		{"a llama in float32", trialLlama, false, exactly, llamaBatch},
		{"a llama in bf16", trialLlama, true, roughly, llamaBatch},
	}
)

// mlpBatch returns rows whose class decides what is seen.
func mlpBatch(step int) engine.Batch {
	const rows = 64
	b := engine.Batch{Rows: rows, Inputs: engine.Array{Shape: trialMLP.Input}}
	for i := range rows {
		class := (i*7 + step) % trialMLP.Classes
		b.Targets.IDs = append(b.Targets.IDs, int32(class))
		for j := range trialMLP.Input[0] {
			b.Inputs.Reals = append(b.Inputs.Reals, float32(math.Sin(float64(class*j+i))))
		}
	}
	return b
}

// llamaBatch returns rows in which each token decides the next.
func llamaBatch(step int) engine.Batch {
	const rows, steps = 3, 33
	var inputs, targets []int32
	for i := range rows * steps {
		id := int32((i*i + step) % trialLlama.Vocab)
		inputs, targets = append(inputs, id), append(targets, (5*id+7)%int32(trialLlama.Vocab))
	}
	return engine.Tokens(rows, steps, inputs, targets)
}

// tryCards holds a card, or several that work together, to the processor. The engine that it
// returns is the last one tried, and closed.
func tryCards(ctx context.Context, libs *driver.Libraries, cards ...int) (e cardEngine, err error) {
	for _, t := range trials {
		if e, err = t.run(ctx, libs, cards); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return e, nil
}

// run trains on both and compares losses, then bits.
func (t trial) run(ctx context.Context, libs *driver.Libraries, cards []int) (_ cardEngine, err error) {
	first := t.batch(0)
	steps := 1
	if first.Targets.IDs != nil && len(first.Inputs.IDs) > 0 {
		steps = len(first.Inputs.IDs) / first.Rows
	}
	opt := cuda.Options{Libraries: libs, Half: t.half, Vectors: 2, Loads: []model.Load{{Rows: first.Rows, Steps: steps, Gradient: true}}}
	c, err := openCards(t.model, opt, cards)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p, err := cpu.New(t.model, cpu.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := t.bits(c, p); err != nil {
		return nil, err
	}
	for step := range trialSteps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var loss [2]float64
		for i, e := range []engine.Engine{c, p} {
			if loss[i], err = e.Step(t.batch(step), engine.Hyper{Rate: 1e-2, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, ClipNorm: 1}); err != nil {
				return nil, err
			}
		}
		if !(math.Abs(loss[0]-loss[1]) <= t.within*loss[1]) {
			return nil, fmt.Errorf("step %d has loss %v, on the processor %v: please report it, and take --engine torch or cpu", step, loss[0], loss[1])
		}
	}
	return c, nil
}

// bits gives both engines the same values and compares an update made of them, and a root,
// bit by bit.
func (t trial) bits(engines ...engine.Engine) error {
	l := engines[0].Layout()
	var updates, roots [2][]byte
	for i, e := range engines {
		residual, err := e.NewVector()
		if err != nil {
			return err
		}
		start, err := e.NewVector()
		if err != nil {
			return err
		}
		if err := errors.Join(model.Init(t.model, [32]byte{2}, residual), model.Init(t.model, [32]byte{3}, start), model.Init(t.model, [32]byte{1}, e.Params())); err != nil {
			return err
		}
		u, err := engine.Compress(e, gradient.DefaultParams(), engine.Feedback{Decay: 0.9, Residual: residual, Start: start, Into: residual})
		if err != nil {
			return err
		}
		root, err := engine.Root(l, start)
		if err != nil {
			return err
		}
		updates[i], roots[i] = u.Plain(), root[:]
	}
	if !bytes.Equal(updates[0], updates[1]) {
		return errors.New("an update has other bits than the processor's: please report it, and take --engine torch or cpu")
	}
	if !bytes.Equal(roots[0], roots[1]) {
		return errors.New("a state root has other bits than the processor's: please report it, and take --engine torch or cpu")
	}
	return nil
}

// throttled is the share of its data sheet below which a card is worth a look.
const throttled = 0.4

// rateCard returns how fast a card is, in words.
func rateCard(ctx context.Context, libs *driver.Libraries, card int) (text string, err error) {
	d, err := driver.Open(libs, card)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	flops, bandwidth, err := measure.Card(ctx, d)
	if err != nil {
		return "", err
	}
	text = fmt.Sprintf("products of bf16 have about %.3g TFLOP/s", flops/1e12)
	if peak := cardPeak(d.Info().Name); peak > 0 {
		if text += fmt.Sprintf(" (%.0f %% of its data sheet)", 100*flops/peak); flops < throttled*peak {
			text += ", which is little: another program may work on it, or it is throttled (nvidia-smi -q -d PERFORMANCE)"
		}
	}
	return fmt.Sprintf("%s, its memory %.3g GB/s", text, bandwidth/1e9), nil
}
