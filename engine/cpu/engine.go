package cpu

// This file holds the engine: parameters, gradient and the graphs over them.

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"lode/engine"
	"lode/engine/kernel"
	"lode/engine/model"
	"lode/tensor"
)

// MaxThreads bounds Options.Threads.
const MaxThreads = 1024

// Options are what a machine chooses for its engine, and what its run says.
type Options struct {
	// Threads is how many goroutines work on one step, at most MaxThreads. Zero
	// means one: several engines often share a machine, and one thread wastes
	// nothing.
	Threads int
	// Frozen says of each tensor of the model's layout whether it stays as it is.
	// Nil freezes none.
	Frozen []bool
	// NoDecay says of each tensor of the layout whether weight decay leaves it alone.
	// Nil is no matrix; vectors never decay.
	NoDecay []bool
	// MicroRows is how many rows of a batch are worked on at a time at most; memory is
	// for so many, and once more for the gradient. The batch is cut into equal parts,
	// but for the last one, and their gradients are added up: the same as that of the
	// whole up to rounding. Zero takes a batch at once.
	MicroRows int
	// Recompute keeps of a training step's values only those that residuals add, and
	// computes the others again in the backward pass: less memory for about a quarter
	// more work, and the same bits. It is meant for long sequences.
	Recompute bool
	// Mixed rounds the operands of large products to bf16 and sums in float32, as mixed
	// precision does elsewhere, but for attention: several times faster where the
	// processor has a unit for it (kernel.HasMixed), an error where it has none.
	// Parameters and everything else stay float32.
	Mixed bool
	// BLAS multiplies large matrices instead of package kernel. Nil uses none; see
	// blas.ByName. Results then depend on it too.
	BLAS Multiplier
}

// Multiplier sets c to a·b, or adds that to it, on the calling thread. Package blas
// has one; it is not imported here because it makes programs dynamically linked.
type Multiplier interface {
	Mul(c, a, b kernel.View, add bool)
}

// Engine trains one model on the processor. Make one with [New].
type Engine struct {
	arch   model.Model
	trace  *model.Trace
	layout tensor.Layout
	index  map[string]int // tensor by name
	frozen []bool         // by tensor
	decays []bool         // by tensor: weight decay moves it
	team   team

	microRows int
	recompute bool

	params []float32 // length D; graphs hold slices of these two, so they never move
	grads  []float32 // length D; where frozen nothing ever writes, so it stays zero
	adam   engine.Moments
	muon   muon
	sum    []float32 // of the gradients of parts of a batch; nil until there is one
	graphs []*graph  // most recently used first, at most maxGraphs
	closed bool
}

// maxGraphs bounds how many batch shapes keep their buffers.
const maxGraphs = 8

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Grader    = (*Engine)(nil)
	_ engine.Predictor = (*Engine)(nil)
	_ engine.Continuer = (*Engine)(nil)
)

// New returns an engine for m whose parameters are all zero.
func New(m model.Model, opt Options) (*Engine, error) {
	if opt.Threads < 0 || opt.Threads > MaxThreads {
		return nil, fmt.Errorf("cpu: %d threads, want 0 to %d", opt.Threads, MaxThreads)
	}
	if opt.MicroRows < 0 {
		return nil, fmt.Errorf("cpu: %d rows at a time, want at least 0", opt.MicroRows)
	}
	if opt.Mixed && !kernel.HasMixed() {
		return nil, errors.New("cpu: this processor has no unit for bf16 (AMX, on Linux): leave mixed precision off")
	}
	if _, ok := m.(model.Outside); ok {
		return nil, fmt.Errorf("cpu: %w", model.ErrOutside)
	}
	trace, err := model.TraceOf(m)
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	l, err := trace.Layout()
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	e := &Engine{arch: m, trace: trace, index: map[string]int{}, team: team{size: max(1, opt.Threads), library: opt.BLAS, mixed: opt.Mixed}, microRows: opt.MicroRows, recompute: opt.Recompute}
	if e.frozen = slices.Clone(opt.Frozen); e.frozen == nil {
		e.frozen = make([]bool, l.NumTensors())
	}
	if len(e.frozen) != l.NumTensors() {
		return nil, fmt.Errorf("cpu: told of %d tensors whether they are frozen, the model has %d", len(e.frozen), l.NumTensors())
	}
	if n := len(opt.NoDecay); n != 0 && n != l.NumTensors() {
		return nil, fmt.Errorf("cpu: told of %d tensors whether they decay, the model has %d", n, l.NumTensors())
	}
	if !slices.Contains(e.frozen, false) {
		return nil, errors.New("cpu: every tensor is frozen")
	}
	e.layout = l.Freeze(e.frozen)
	for t := range l.NumTensors() {
		e.index[l.Spec(t).Name] = t
		e.decays = append(e.decays, len(l.Spec(t).Shape) > 1 && (opt.NoDecay == nil || !opt.NoDecay[t]))
	}
	e.params, e.grads = make([]float32, l.Len()), make([]float32, l.Len())
	e.adam = engine.NewMoments(e.layout)
	return e, nil
}

// Model returns the architecture.
func (e *Engine) Model() model.Model { return e.arch }

// Layout implements engine.Engine.
func (e *Engine) Layout() tensor.Layout { return e.layout }

// Takes implements engine.Engine.
func (e *Engine) Takes() (inputs, targets engine.Port) { return e.arch.Takes() }

// Loss implements engine.Engine.
func (e *Engine) Loss(b engine.Batch) (float64, error) { return e.run(b, false) }

// Gradient implements engine.Engine.
func (e *Engine) Gradient(b engine.Batch) (float64, error) { return e.run(b, true) }

// Grade implements engine.Grader.
func (e *Engine) Grade(b engine.Batch) (grades []engine.Grade, err error) {
	if err := e.refuse(b); err != nil {
		return nil, err
	}
	e.team.begin()
	defer e.team.end()
	for part := range e.parts(b) {
		if _, err := e.pass(part, false); err != nil {
			return nil, err
		}
		g := e.graphs[0] // the one that has run
		for i, l := range g.losses {
			grades = append(grades, engine.Grade{Loss: l * g.share, Right: g.right != nil && g.right[i]})
		}
	}
	return grades, nil
}

// Step implements engine.Engine.
func (e *Engine) Step(b engine.Batch, h engine.Hyper) (float64, error) {
	h, err := h.Resolve()
	if err != nil {
		return 0, err
	}
	loss, err := e.run(b, true)
	if err != nil {
		return 0, err
	}
	return loss, e.update(h)
}

// run computes the loss and, in training, the gradient.
func (e *Engine) run(b engine.Batch, train bool) (float64, error) {
	if err := e.refuse(b); err != nil {
		return 0, err
	}
	e.team.begin()
	defer e.team.end()
	if e.microRows == 0 || b.Rows <= e.microRows {
		return e.pass(b, train)
	}
	return e.accumulate(b, train)
}

// refuse says why a batch cannot be run, nil if it can.
func (e *Engine) refuse(b engine.Batch) error {
	if err := e.ready(); err != nil {
		return err
	}
	return b.Validate(e.Takes())
}

// pass is run for a batch that is taken at once.
func (e *Engine) pass(b engine.Batch, train bool) (float64, error) {
	inputs, _ := e.Takes()
	g, err := e.graph(shapeOf(b, inputs, train, false))
	if err != nil {
		return 0, err
	}
	loss, err := g.run(b)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return 0, fmt.Errorf("cpu: the loss is %v: %w", loss, engine.ErrNotFinite)
	}
	return loss, nil
}

// graph returns the graph for a shape, built now or kept from before.
func (e *Engine) graph(s shape) (*graph, error) {
	for i, g := range e.graphs {
		if g.shape == s {
			copy(e.graphs[1:i+1], e.graphs[:i])
			e.graphs[0] = g
			return g, nil
		}
	}
	g, err := e.build(s)
	if err != nil {
		return nil, err
	}
	if len(e.graphs) == maxGraphs {
		last := e.graphs[maxGraphs-1]
		e.graphs = e.graphs[:maxGraphs-1]
		if err := last.vm.Close(); err != nil {
			return nil, fmt.Errorf("cpu: close a graph: %w", err)
		}
	}
	e.graphs = append([]*graph{g}, e.graphs...)
	return g, nil
}

// WriteState implements engine.Engine.
func (e *Engine) WriteState(w io.Writer) error {
	if err := e.ready(); err != nil {
		return err
	}
	return e.adam.WriteTo(w, e.layout)
}

// StateLen returns how many bytes WriteState writes.
func (e *Engine) StateLen() int64 { return engine.MomentsLen(e.layout) }

// ReadState implements engine.Engine.
func (e *Engine) ReadState(r io.Reader) error {
	if err := e.ready(); err != nil {
		return err
	}
	m, err := engine.ReadMoments(r, e.layout)
	if err != nil {
		return err
	}
	e.adam = m
	return nil
}

// Close implements engine.Engine.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	var err error
	for _, g := range e.graphs {
		if cerr := g.vm.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("cpu: close a graph: %w", cerr)
		}
	}
	e.graphs, e.params, e.grads, e.sum, e.adam, e.muon = nil, nil, nil, nil, engine.Moments{}, muon{}
	return err
}
