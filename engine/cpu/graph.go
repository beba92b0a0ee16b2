package cpu

// This file holds how nodes become a model: the graph for one batch shape.

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"lode/engine"
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

// builder is what building a graph needs, and what its stages refer to.
//
// Gradients of activations live in a handful of buffers that all layers use in
// turn: the backward pass is a chain in which each stage has read its input
// before the stage that overwrites it runs.
type builder struct {
	*Engine
	shape
	expr    *gorgonia.ExprGraph
	weights gorgonia.Nodes
	grad    map[*gorgonia.Node]weightGrad
	buffers map[string][]float32

	dres    []float32 // of the residual stream, [N, dim]
	dhidden []float32 // of a sublayer's input or inner result, [N, dim]
	dqkv    []float32
	dgateup []float32
	dinner  []float32 // of the SwiGLU's result, [N, ffn]

	cos, sin, neg []float32 // rotary tables, [steps, head dim/2]
}

func (e *Engine) build(s shape) (*graph, error) {
	n := s.rows * s.steps
	b := &builder{Engine: e, shape: s, expr: gorgonia.NewGraph(), grad: map[*gorgonia.Node]weightGrad{}, buffers: map[string][]float32{}}
	b.cos, b.sin = rotary(e.arch, 0, s.steps)
	if s.train {
		b.backwardBuffers(n)
	}
	g := &graph{shape: s, inputs: make([]int32, n), targets: make([]int32, n)}
	loss, err := b.assemble(g)
	if err != nil {
		return nil, err
	}
	if s.train {
		if _, err := gorgonia.Grad(loss, b.weights...); err != nil {
			return nil, fmt.Errorf("graph: differentiate: %w", err)
		}
	}
	g.vm = gorgonia.NewTapeMachine(b.expr)
	return g, nil
}

func (b *builder) backwardBuffers(n int) {
	m := b.arch
	b.dres, b.dhidden = make([]float32, n*m.Dim), make([]float32, n*m.Dim)
	b.dqkv = make([]float32, n*(m.Dim+2*m.KVDim()))
	b.dgateup, b.dinner = make([]float32, n*2*m.FFN), make([]float32, n*m.FFN)
	b.neg = make([]float32, len(b.sin))
	for i, v := range b.sin {
		b.neg[i] = -v
	}
}
