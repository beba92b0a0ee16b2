package torch

// This file holds how a process is asked for a model, and how a model of a user's own
// becomes known.

import (
	"errors"
	"fmt"

	"lode/engine"
	"lode/engine/model"
	"lode/engine/process"
	"lode/tensor"
)

// ask has a process open a model.
func (o Options) ask(p *process.Process, m map[string]any) (opened, error) {
	backend := "torch"
	if o.Numpy {
		backend = "numpy"
	}
	var out opened
	err := p.Call("open", map[string]any{
		"backend": backend, "model": m,
		"options": map[string]any{
			"device": o.Device, "precision": o.Precision, "threads": max(1, o.Threads), "apart": o.apart,
			"ranks": max(1, o.Ranks), "shard": o.Shard, "meet": o.Meet,
		},
	}, &out)
	return out, err
}

// Describe runs a user's function once and returns the model that its module is, for
// all who train it: factory and loss are MODULE:FUNCTION, the latter may be empty (see
// model.Custom); inputs and targets are what it is to be trained on. values, unless it is
// nil, gets the module's parameters, bit by bit, in layout order; they serve until it
// returns.
func Describe(factory, loss string, inputs, targets engine.Port, opt Options, values func(tensor.Layout, tensor.Flat) error) (m model.Custom, err error) {
	m = model.Custom{Factory: factory, Loss: loss, Inputs: inputs, Targets: targets}
	opt.Ranks, opt.Shard, opt.Meet = 1, false, ""
	e := &Engine{opt: opt}
	if e.memory, err = process.NewMemory(); err != nil {
		return m, fmt.Errorf("torch: %w", err)
	}
	defer func() { err = errors.Join(err, e.memory.Close()) }()
	if err := e.spawn(); err != nil {
		return m, fmt.Errorf("torch: %w", err)
	}
	defer e.process.Close()
	o, err := opt.ask(e.process, travelling(m, nil))
	if err != nil {
		return m, fmt.Errorf("torch: %s: %w", factory, err)
	}
	m.Source = o.Source
	for _, s := range o.Tensors {
		m.Tensors = append(m.Tensors, model.CustomTensor{
			Name: s.Name, Shape: s.Shape, Embedding: s.Embedding, Hidden: s.Hidden, Value: float32(s.Value), Spread: float32(s.Spread),
		})
	}
	if err := m.Validate(); err != nil {
		return m, fmt.Errorf("torch: %s: %w", factory, err)
	}
	if values == nil {
		return m, nil
	}
	return m, e.values(m, o.Tensors, values)
}

// values has the process write down the parameters that it began with.
func (e *Engine) values(m model.Custom, tensors []spec, to func(tensor.Layout, tensor.Flat) error) error {
	l, err := model.Layout(m)
	if err != nil {
		return fmt.Errorf("torch: %w", err)
	}
	shared, err := e.memory.Grow(l.Len())
	if err == nil {
		err = e.process.Call("values", map[string]any{"tensors": tensors, "length": l.Len()}, &struct{}{})
	}
	if err != nil {
		return fmt.Errorf("torch: values of the parameters: %w", err)
	}
	return to(l, shared)
}
