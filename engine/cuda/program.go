package cuda

// This file holds what a model becomes: a list of stages over planned memory. It
// allocates nothing and needs no card.

import (
	"fmt"

	"lode/engine"
	"lode/engine/model"
	"lode/tensor"
)

// program is a model as it runs, for at most so many positions at a time: tokens of all
// rows where inputs are a series, else rows.
type program struct {
	*model.Trace
	layout    tensor.Layout
	frozen    []bool
	index     map[string]int // tensor by name
	positions int
	memory    *arena

	params, grads  buffer // length D
	first, second  buffer // moments of what is trained
	inputs         buffer
	targets        buffer
	inputsWide     int // values at a position
	targetsWide    int
	losses, right  buffer // of each position of the head
	total          buffer // loss of the batch, in float64
	workspace      buffer // of cuBLASLt
	runs           buffer // see optimizer.go
	squares, norms buffer
	numRuns        int
	exchange, bad  buffer // see compress.go

	values  []value // by model.Value
	slots   []buffer
	slotOf  []int
	modules map[string]*weight // by the name of the first tensor
	shared  map[string]int     // values of buffers that stages share, by name
	stages  []stage
	head    *head
	laters  []func() // to be called when all values are there
	err     error
}

// workspaceBytes is what cuBLASLt may work in; its makers advise so much for newer cards.
const workspaceBytes = 32 << 20

// value is the result of a stage.
type value struct {
	width int
	data  buffer
	grad  buffer // none if nobody asks for it
	added bool   // to a later one: its gradient then begins as the other's
}

// stage is one operation. Passes go through stages forth and, for gradients, back.
type stage struct {
	name     string
	forward  func(p *pass) error
	backward func(p *pass) error // nil: there is nothing to do
}

// weight is one tensor, or several taken as one matrix.
type weight struct {
	values, grad buffer
	rows, cols   int // of a vector one row
	trained      []span
	written      int // the number of the batch whose gradient it has, see pass.fresh
}

// span is a range of rows, or of values of a vector.
type span struct{ lo, hi int }

// newProgram builds the program of a model. An error says which stage there is no
// kernel for.
func newProgram(m model.Model, t *model.Trace, l tensor.Layout, frozen []bool, positions int, workspace, gap int64) (*program, error) {
	p := &program{
		Trace: t, layout: l, frozen: frozen, positions: positions, memory: &arena{gap: gap},
		index: map[string]int{}, values: make([]value, 1), modules: map[string]*weight{}, shared: map[string]int{},
	}
	for i := range l.NumTensors() {
		p.index[l.Spec(i).Name] = i
	}
	trained := engine.NumTrained(l)
	p.params, p.grads = p.memory.floats(l.Len()), p.memory.floats(l.Len())
	p.first, p.second = p.memory.floats(trained), p.memory.floats(trained)
	inputs, targets := m.Takes()
	p.inputsWide, p.targetsWide = wide(inputs), wide(targets)
	p.inputs, p.targets = p.memory.floats(positions*p.inputsWide), p.memory.floats(positions*p.targetsWide)
	p.losses, p.right, p.total = p.memory.floats(positions), p.memory.floats(positions), p.memory.take(8)
	p.workspace = p.memory.take(workspace)
	p.numRuns = numRuns(l)
	p.runs, p.squares, p.norms = p.memory.take(int64(p.numRuns)*runBytes), p.memory.take(8*int64(p.numRuns)), p.memory.take(3*8)
	p.exchange, p.bad = p.memory.take(exchangeBytes), p.memory.take(8)
	var widths []int
	p.slotOf, widths = t.Slots()
	for _, w := range widths {
		p.slots = append(p.slots, p.memory.floats(positions*w))
	}
	m.Build(p)
	if p.err != nil {
		return nil, p.err
	}
	return p, nil
}

// wide returns how many values a position has at a port.
func wide(p engine.Port) int {
	n := 1
	for i, d := range p.Shape {
		if i > 0 || !p.Series {
			n *= d
		}
	}
	return n
}

// fail notes that the engine cannot run a model.
func (p *program) fail(stage string) model.Value {
	if p.err == nil {
		p.err = fmt.Errorf("there is no kernel for %s yet: take --engine torch, or cpu", stage)
	}
	return p.add(stage, nil, nil)
}

// add adds a stage and returns its value, whose memory is there when it runs.
func (p *program) add(name string, forward, backward func(*pass) error) model.Value {
	at := model.Value(len(p.values))
	v := value{width: p.Values[at].Width()}
	v.data, v.grad = p.memory.floats(p.positions*v.width), p.slots[p.slotOf[at]]
	p.values = append(p.values, v)
	p.stages = append(p.stages, stage{name, forward, backward})
	return at
}

// next returns the number of the value that the next add makes.
func (p *program) next() model.Value { return model.Value(len(p.values)) }

// Inputs implements model.Builder.
func (p *program) Inputs() model.Value {
	p.values = append(p.values, value{width: p.inputsWide, data: p.inputs})
	return p.next() - 1
}

// Flatten implements model.Builder: rows are vectors already.
func (p *program) Flatten(of model.Value) model.Value {
	p.values = append(p.values, p.values[of])
	return p.next() - 1
}

// weight returns the named tensor and the count-1 that follow it.
func (p *program) weight(name string, count int) *weight {
	if w := p.modules[name]; w != nil {
		return w
	}
	t := p.index[name]
	shape := p.layout.Spec(t).Shape
	lo, hi := p.layout.Offset(t), p.layout.Offset(t+count-1)+p.layout.Spec(t+count-1).Len()
	w := &weight{values: p.params.from(lo), grad: p.grads.from(lo), rows: 1, cols: hi - lo, trained: p.spans(t, count)}
	if len(shape) > 1 {
		w.cols = p.layout.Spec(t).Len() / shape[0]
		w.rows = (hi - lo) / w.cols
	}
	p.modules[name] = w
	return w
}

// spans returns the rows of count tensors from t on that are trained, as few ranges as
// can be.
func (p *program) spans(t, count int) (rows []span) {
	lo := 0
	for i := t; i < t+count; i++ {
		hi := lo + p.layout.Spec(i).Shape[0]
		switch last := len(rows) - 1; {
		case p.frozen[i]:
		case last >= 0 && rows[last].hi == lo:
			rows[last].hi = hi
		default:
			rows = append(rows, span{lo, hi})
		}
		lo = hi
	}
	return rows
}

// Stages that have no kernel yet. Each becomes a file of its own, here and in package
// kernels.

// Embed implements model.Builder.
func (p *program) Embed(string, int, int) model.Value { return p.fail("embeddings") }

// RMSNorm implements model.Builder.
func (p *program) RMSNorm(string, model.Value, float64) model.Value { return p.fail("RMSNorm") }

// Attention implements model.Builder.
func (p *program) Attention(model.Value, model.Heads) model.Value { return p.fail("attention") }

// SwiGLU implements model.Builder.
func (p *program) SwiGLU(model.Value) model.Value { return p.fail("SwiGLU") }

// Conv2D implements model.Builder.
func (p *program) Conv2D(model.Value, model.Conv) model.Value { return p.fail("convolutions") }

// Pool implements model.Builder.
func (p *program) Pool(model.Value, model.Pool) model.Value { return p.fail("pools") }
