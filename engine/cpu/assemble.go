package cpu

// This file holds the values and weights of a graph: where they lie while stages
// are added.

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lode/engine"
	"lode/engine/model"
)

// builder adds the stages of a model to a graph; it implements model.Builder in one
// file for each. Its first error ends that, later stages do nothing.
type builder struct {
	*Engine
	shape
	graph    *graph
	expr     *gorgonia.ExprGraph
	trace    *model.Trace
	values   []value // by model.Value
	slots    slots
	modules  map[string]*weight // by the name of the first tensor
	trained  gorgonia.Nodes     // weights to differentiate for
	buffers  map[string][]float32
	tables   map[model.Heads]tables
	members  []strips // of attention, by member of the team
	segments []model.Segment
	segment  *segment // that the next stage may be in
	last     *segment // that was closed, nil if none was
	loss     *gorgonia.Node
	err      error
}

var _ model.Builder = (*builder)(nil)

// value is the result of a stage.
type value struct {
	node        *gorgonia.Node
	rows, width int
	data        []float32
	grad        []float32 // nil without a backward pass
	added       bool      // to a later one: see memory.go
}

// gradient returns where the gradient lies, nil if there is none.
func (v value) gradient() *tensor.Dense {
	if v.grad == nil {
		return nil
	}
	return dense(v.grad, v.rows, v.width)
}

// n returns the number of positions.
func (s shape) n() int { return s.rows * s.steps }

// next returns the value that the stage to be added will make, without its node.
func (b *builder) next() value {
	at := model.Value(len(b.values))
	v := value{rows: b.n(), width: b.trace.Values[at].Width()}
	n := v.rows * v.width
	if b.train {
		v.grad = b.slots.of(at)[:n]
	}
	switch {
	case b.inside(at):
		v.data = b.passing(n)
	case b.train:
		v.data = make([]float32, n)
	default:
		v.data = b.slots.of(at)[:n]
	}
	return v
}

// add adds a stage that makes v.
func (b *builder) add(v value, s stage, in ...*gorgonia.Node) model.Value {
	s = b.again(model.Value(len(b.values)), s)
	if s.out = dense(v.data, v.rows, v.width); b.err == nil {
		v.node, b.err = s.apply(in...)
	}
	b.values = append(b.values, v)
	return model.Value(len(b.values) - 1)
}

// end adds the stage that computes the loss.
func (b *builder) end(s stage, in ...*gorgonia.Node) {
	if b.last != nil {
		b.last.runs = nil // nothing has overwritten its values
	}
	if s.loss = &b.graph.mean; b.err == nil {
		b.loss, b.err = s.apply(in...)
	}
}

// Inputs implements model.Builder.
func (b *builder) Inputs() model.Value {
	x := b.graph.inputs.Reals
	v := value{node: b.given("inputs", b.graph.inputs), rows: b.n(), width: len(x) / b.n(), data: x}
	b.values = append(b.values, v)
	return model.Value(len(b.values) - 1)
}

// Flatten implements model.Builder: rows are vectors already.
func (b *builder) Flatten(of model.Value) model.Value {
	b.values = append(b.values, b.values[of])
	return model.Value(len(b.values) - 1)
}

// given makes a node of what a batch has, one row for each position.
func (b *builder) given(name string, a engine.Array) *gorgonia.Node {
	if ids := a.IDs; ids != nil {
		return gorgonia.NewVector(b.expr, tensor.Int32, gorgonia.WithShape(len(ids)), gorgonia.WithName(name),
			gorgonia.WithValue(tensor.New(tensor.WithShape(len(ids)), tensor.WithBacking(ids))))
	}
	value := dense(a.Reals, b.n(), len(a.Reals)/b.n())
	return gorgonia.NewMatrix(b.expr, tensor.Float32, gorgonia.WithShape(value.Shape()...), gorgonia.WithName(name), gorgonia.WithValue(value))
}

// weight is one tensor, or several taken as one matrix, in the engine's own memory.
type weight struct {
	node       *gorgonia.Node
	values     []float32
	rows, cols int          // of a vector one row
	grad       []float32    // nil if all of it is frozen
	trained    []model.Rows // rows that are not frozen; the gradient of the others stays zero
	uses       int
}

// gradient returns where the gradient lies, nil if all of it is frozen.
func (w *weight) gradient() *tensor.Dense {
	switch {
	case w.grad == nil:
		return nil
	case w.node.Dims() == 1:
		return vector(w.grad)
	}
	return dense(w.grad, w.rows, w.cols)
}

// weight returns the named tensor and the count-1 that follow it. It is
// differentiated for if any of them is trained.
func (b *builder) weight(name string, count int) *weight {
	if w := b.modules[name]; w != nil {
		w.uses++
		return w
	}
	t := b.index[name]
	shape := b.layout.Spec(t).Shape
	lo, hi := b.layout.Offset(t), b.layout.Offset(t+count-1)+b.layout.Spec(t+count-1).Len()
	w := &weight{values: b.params[lo:hi], rows: 1, cols: hi - lo, uses: 1}
	value := vector(b.params[lo:hi])
	if len(shape) > 1 {
		w.cols = b.layout.Spec(t).Len() / shape[0]
		w.rows = (hi - lo) / w.cols
		value = dense(b.params[lo:hi], w.rows, w.cols)
	}
	w.node = gorgonia.NewTensor(b.expr, tensor.Float32, value.Dims(), gorgonia.WithShape(value.Shape()...),
		gorgonia.WithName(name), gorgonia.WithValue(value))
	if w.trained = model.TrainedRows(b.layout, b.frozen, t, count); len(w.trained) > 0 {
		b.trained = append(b.trained, w.node)
		w.grad = b.grads[lo:hi:hi]
	}
	b.modules[name] = w
	return w
}

// keep returns memory for n values that the backward pass will read. Without a
// backward pass all stages of that name use the same memory.
func (b *builder) keep(name string, n int) []float32 {
	if b.train {
		return make([]float32, n)
	}
	return b.share(name, n)
}

// share returns the graph's one memory of that name, of n values.
func (b *builder) share(name string, n int) []float32 {
	if len(b.buffers[name]) < n {
		b.buffers[name] = make([]float32, n)
	}
	return b.buffers[name][:n]
}

func dense(data []float32, rows, cols int) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
}

func vector(data []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(data)), tensor.WithBacking(data))
}
