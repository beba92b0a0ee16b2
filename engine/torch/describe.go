package torch

// This file holds how a process is asked for a model, and how a model of a user's own
// becomes known.

import (
	"fmt"

	"lode/engine"
	"lode/engine/model"
	"lode/engine/process"
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
			"device": o.Device, "precision": o.Precision, "threads": max(1, o.Threads), "apart": o.apart, "ranks": max(1, o.Ranks), "rank": 0,
		},
	}, &out)
	return out, err
}

// Describe runs a user's function once and returns the model that its module is, for
// all who train it: factory and loss are MODULE:FUNCTION, the latter may be empty (see
// model.Custom); inputs and targets are what it is to be trained on.
func Describe(factory, loss string, inputs, targets engine.Port, opt Options) (model.Custom, error) {
	m := model.Custom{Factory: factory, Loss: loss, Inputs: inputs, Targets: targets}
	e := &Engine{opt: opt}
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
	return m, nil
}
