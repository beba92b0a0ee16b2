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
	inputs  []int32
	targets []int32
	mean    float64 // loss of the last run
	vm      gorgonia.VM
}

// shape is what a graph is built for.
type shape struct {
	rows, steps int
	train       bool
}

// run computes the loss of b, which has the graph's shape.
func (g *graph) run(b engine.Batch) (float64, error) {
	copy(g.inputs, b.Inputs.IDs)
	copy(g.targets, b.Targets.IDs)
	defer g.vm.Reset()
	if err := g.vm.RunAll(); err != nil {
		return 0, fmt.Errorf("graph: run: %w", err)
	}
	return g.mean, nil
}

func (e *Engine) build(s shape) (*graph, error) {
	g := &graph{shape: s, inputs: make([]int32, s.n()), targets: make([]int32, s.n())}
	b := &builder{
		Engine: e, shape: s, graph: g, expr: gorgonia.NewGraph(), trace: e.trace, values: make([]value, 1, len(e.trace.Values)), slots: newSlots(e.trace, s.n()),
		modules: map[string]*weight{}, buffers: map[string][]float32{}, tables: map[model.Heads]tables{},
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
