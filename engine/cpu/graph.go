package cpu

// This file holds how nodes become a model: the graph for one batch shape.

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lode/engine"
	"lode/engine/model"
)

// graph computes the loss, and in training the gradient, of batches of one
// shape.
type graph struct {
	shape   shape
	inputs  engine.Array
	targets engine.Array
	mean    float64   // loss of the last run
	losses  []float64 // of each row of the last run, or token: share·losses have that mean
	share   float64
	said    []float32 // predictions of the last run
	right   []bool    // of the same, but in training, as in engine.Grade; nil: no classes
	vm      gorgonia.VM
}

// shape is what a graph is built for.
type shape struct {
	rows, steps int // steps are 1 unless inputs are a series
	train       bool
	predict     bool // the head makes predictions, and no loss
}

// shapeOf returns the shape of a batch for these inputs.
func shapeOf(b engine.Batch, inputs engine.Port, train, predict bool) shape {
	s := shape{b.Rows, 1, train, predict}
	if inputs.Series {
		s.steps = b.Inputs.Shape[0]
	}
	return s
}

// array returns memory for what a batch of that shape has at a port.
func (s shape) array(p engine.Port) (a engine.Array) {
	n := s.rows
	for i, d := range p.Shape {
		if i == 0 && p.Series {
			d = s.steps
		}
		n *= d
	}
	if p.Limit > 0 {
		a.IDs = make([]int32, n)
	} else {
		a.Reals = make([]float32, n)
	}
	return a
}

// run computes the loss of b, which has the graph's shape.
func (g *graph) run(b engine.Batch) (float64, error) {
	copy(g.inputs.IDs, b.Inputs.IDs)
	copy(g.inputs.Reals, b.Inputs.Reals)
	copy(g.targets.IDs, b.Targets.IDs)
	copy(g.targets.Reals, b.Targets.Reals)
	defer g.vm.Reset()
	if err := g.vm.RunAll(); err != nil {
		return 0, fmt.Errorf("graph: run: %w", err)
	}
	return g.mean, nil
}

func (e *Engine) build(s shape) (*graph, error) {
	inputs, targets := e.Takes()
	g := &graph{shape: s, inputs: s.array(inputs), targets: s.array(targets)}
	b := &builder{
		Engine: e, shape: s, graph: g, expr: gorgonia.NewGraph(), trace: e.trace, values: make([]value, 1, len(e.trace.Values)), slots: newSlots(e.trace, s.n()),
		modules: map[string]*weight{}, buffers: map[string][]float32{}, tables: map[model.Heads]tables{}, segments: e.trace.Segments(), segment: new(segment),
	}
	e.arch.Build(b)
	if b.err != nil {
		return nil, b.err
	}
	if s.train {
		if _, err := gorgonia.Grad(b.loss, b.trained...); err != nil {
			return nil, fmt.Errorf("graph: differentiate: %w", err)
		}
	}
	g.vm = gorgonia.NewTapeMachine(b.expr)
	return g, nil
}
