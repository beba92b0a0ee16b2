package cuda

// This file holds what a model becomes: a list of stages over planned memory. It
// allocates nothing and needs no card.

import (
	"fmt"
	"maps"
	"slices"

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
	halves         buffer // parameters as products take them, in bf16; none if values are float32
	first, second  buffer // moments of what is trained
	inputs         buffer
	targets        buffer
	inputsWide     int // values at a position
	targetsWide    int
	losses, right  buffer // of each position of the head
	total          buffer // loss of the batch, in float64
	workspace      buffer // of cuBLASLt
	runs           buffer // see optimizer.go
	squares        buffer
	hyper, outcome buffer // see queue.go
	numRuns        int
	exchange       buffer // see exchange.go
	bad, scores    buffer // see compress.go and plain.go

	values  []value // by model.Value
	slots   []buffer
	slotOf  []int
	modules map[string]*weight  // by the name of the first tensor
	shared  map[string]*sharing // by name
	stages  []stage
	head    *head
	laters  []func() // to be called when all values are there
	err     error

	headRows  int    // see options
	half      bool   // values and the factors of products are bf16
	groups    buffer // of tokens, see embed.go; none if nothing is embedded
	constants []constant
	tables    map[model.Heads]tables
	recall    recall // see text.go
	takes     func() (inputs, targets engine.Port)
	dynamic   map[string]int // bytes of shared memory of kernels, by name

	again    bool // values within segments are computed again, not kept
	segments []model.Segment
	segment  []int // stages of the segment that is being built
}

// options are how a program is to be built.
type options struct {
	positions      int
	half, again    bool
	workspace, gap int64
	exchange       int64
	headRows       int // whose predictions are computed at a time; 0: see head.go
}

// sharing is memory that stages use in turn.
type sharing struct {
	values int
	buffer
}

// constant is memory that is filled once.
type constant struct {
	to   buffer
	fill func() []float32
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
	again    []int               // stages to run once more before backward
}

// weight is one tensor, or several taken as one matrix.
type weight struct {
	values, grad buffer
	factor       buffer // values as products take them
	rows, cols   int    // of a vector one row
	trained      []model.Rows
	written      int // the number of the pass that last wrote its gradient, see pass.fresh
}

// newProgram builds the program of a model. An error says which stage there is no
// kernel for.
func newProgram(m model.Model, t *model.Trace, l tensor.Layout, frozen []bool, o options) (*program, error) {
	p := &program{
		Trace: t, layout: l, frozen: frozen, positions: o.positions, memory: &arena{gap: o.gap}, half: o.half, again: o.again, headRows: o.headRows, segments: t.Segments(),
		index: map[string]int{}, values: make([]value, 1), modules: map[string]*weight{}, shared: map[string]*sharing{}, tables: map[model.Heads]tables{}, dynamic: map[string]int{},
	}
	positions := o.positions
	for i := range l.NumTensors() {
		p.index[l.Spec(i).Name] = i
	}
	trained := engine.NumTrained(l)
	p.params, p.grads = p.memory.floats(l.Len()), p.memory.floats(l.Len())
	p.first, p.second = p.memory.floats(trained), p.memory.floats(trained)
	if o.half {
		p.halves = p.memory.numbers(l.Len(), true)
	}
	inputs, targets := m.Takes()
	p.takes = m.Takes
	if inputs.Series {
		p.recall = recall{length: inputs.Shape[0], tables: map[model.Heads]tables{}}
	}
	p.inputsWide, p.targetsWide = wide(inputs), wide(targets)
	p.inputs, p.targets = p.memory.floats(positions*p.inputsWide), p.memory.floats(positions*p.targetsWide)
	p.losses, p.right, p.total = p.memory.floats(positions), p.memory.floats(positions), p.memory.take(8)
	p.workspace = p.memory.take(o.workspace)
	p.numRuns = numRuns(l)
	p.runs, p.squares = p.memory.take(int64(p.numRuns)*runBytes), p.memory.take(8*int64(p.numRuns))
	p.hyper, p.outcome = p.memory.take(hyperBytes), p.memory.take(outcomeBytes)
	p.exchange, p.bad, p.scores = p.memory.take(o.exchange), p.memory.take(8), p.memory.take(sumBytes*maxTogether)
	var widths []int
	p.slotOf, widths = t.Slots()
	for _, w := range widths {
		p.slots = append(p.slots, p.memory.numbers(positions*w, p.half))
	}
	m.Build(p)
	if p.err != nil {
		return nil, p.err
	}
	for _, name := range slices.Sorted(maps.Keys(p.shared)) {
		s := p.shared[name]
		s.buffer = p.memory.numbers(s.values, s.half)
	}
	p.recall.scores = p.recall.memory.floats(p.recall.heads * p.recall.length)
	for _, f := range p.laters {
		f()
	}
	return p, nil
}

// later calls f when all values are there.
func (p *program) later(f func()) { p.laters = append(p.laters, f) }

// share returns memory for n values that stages use in turn; it is there when all values are.
func (p *program) share(name string, n int, half bool) *sharing {
	s := p.shared[name]
	if s == nil {
		s = &sharing{}
		s.half = half
		p.shared[name] = s
	}
	s.values = max(s.values, n)
	return s
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
	v := value{width: p.Values[at].Width(), grad: p.slots[p.slotOf[at]]}
	s, n := stage{name: name, forward: forward, backward: backward}, p.positions*v.width
	switch in := p.segments[at]; {
	case p.again && in.Place > 0:
		it := p.share(fmt.Sprintf("place %d of a segment", in.Place), n, p.half)
		p.later(func() { p.values[at].data = it.buffer })
		p.segment = append(p.segment, len(p.stages))
	case p.again && in.Closes:
		s.again, p.segment = p.segment, nil
		fallthrough
	default:
		v.data = p.memory.numbers(n, p.half)
	}
	p.values, p.stages = append(p.values, v), append(p.stages, s)
	return at
}

// next returns the number of the value that the next add makes.
func (p *program) next() model.Value { return model.Value(len(p.values)) }

// Inputs implements model.Builder.
func (p *program) Inputs() model.Value {
	v := value{width: p.inputsWide, data: p.inputs}
	if p.half {
		n := p.positions * v.width
		v.data = p.memory.numbers(n, true)
		p.stages = append(p.stages, stage{name: "inputs", forward: func(p *pass) error { return p.halve(v.data, p.program.inputs, p.n*v.width) }})
	}
	p.values = append(p.values, v)
	return p.next() - 1
}

// Flatten implements model.Builder: rows are vectors already.
func (p *program) Flatten(of model.Value) model.Value {
	at := p.next()
	p.values = append(p.values, p.values[of])
	p.later(func() { p.values[at] = p.values[of] })
	return at
}

// weight returns the named tensor and the count-1 that follow it.
func (p *program) weight(name string, count int) *weight {
	if w := p.modules[name]; w != nil {
		return w
	}
	t := p.index[name]
	shape := p.layout.Spec(t).Shape
	lo, hi := p.layout.Offset(t), p.layout.Offset(t+count-1)+p.layout.Spec(t+count-1).Len()
	w := &weight{values: p.params.from(lo), grad: p.grads.from(lo), rows: 1, cols: hi - lo, trained: model.TrainedRows(p.layout, p.frozen, t, count)}
	if w.factor = w.values; p.half {
		w.factor = p.halves.from(lo)
	}
	if len(shape) > 1 {
		w.cols = p.layout.Spec(t).Len() / shape[0]
		w.rows = (hi - lo) / w.cols
	}
	p.modules[name] = w
	return w
}
