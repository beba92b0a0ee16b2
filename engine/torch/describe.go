package torch

// This file holds how a process is asked for a model, and how a model of a user's own
// becomes known.

import (
	"errors"
	"fmt"
	"slices"

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
	if err := e.tries(m); err != nil {
		return m, fmt.Errorf("torch: %s: one row was tried: %w", factory, err)
	}
	if values == nil {
		return m, nil
	}
	return m, e.values(m, o.Tensors, values)
}

// tries has the process give one row to the model and its loss, so that what cannot be
// trained is known before a run is made of it.
func (e *Engine) tries(m model.Custom) error {
	p := pass{Batch: batch{1, pack(sample(m.Inputs)), pack(sample(m.Targets))}, Taken: []string{}}
	var loss struct {
		Loss float64 `cbor:"loss"`
		Norm float64 `cbor:"norm"`
	}
	if m.Loss == "" && m.Targets.Limit > 0 {
		var said struct {
			Values []byte `cbor:"values"`
		}
		if err := e.process.Call("predict", p, &said); err != nil {
			return err
		}
		if want := m.Targets.Width(); len(said.Values) != 4*want {
			return fmt.Errorf("the module gives %d logits for what can be one of %d (--vocab)", len(said.Values)/4, want)
		}
	}
	return e.process.Call("loss", p, &loss)
}

// sample returns one row of the largest ids, or of zeros; of a series its first two.
func sample(p engine.Port) engine.Array {
	shape := slices.Clone(p.Shape)
	if p.Series {
		shape[0] = min(shape[0], 2)
	}
	num := 1
	for _, n := range shape {
		num *= n
	}
	if p.Limit == 0 {
		return engine.Array{Shape: shape, Reals: make([]float32, num)}
	}
	return engine.Array{Shape: shape, IDs: slices.Repeat([]int32{int32(p.Limit - 1)}, num)}
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
