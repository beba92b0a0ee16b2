package model

// This file holds what can be known of a model without an engine: it follows a
// description and writes down names, shapes and lifetimes.

import (
	"errors"
	"fmt"
	"slices"

	"lode/engine"
	"lode/tensor"
)

// MaxWidth bounds the numbers of one value at one position.
const MaxWidth = 1 << 26

// MaxUnrolled bounds the numbers that all windows of a convolution see of one example.
const MaxUnrolled = 1 << 26

// Trace is what a description says.
type Trace struct {
	Weights []Weight // in layout order
	Values  []Result // by Value; the first stands for None
	of      Model
}

// Weight is one tensor.
type Weight struct {
	tensor.Spec
	Hidden bool // see [Hidden]
	start  start
	sums   int // see [Linear]

	value, spread float32 // of what begins around a value
}

// start is how a tensor begins.
type start int

const (
	drawn start = iota
	ones
	zeros
	around
)

// Result is what is known of a value.
type Result struct {
	Shape []int // at one position
	Last  Value // the stage of its last use, as the number of that stage's result
	// Over is the value whose last use makes this one, of the same size: this one may
	// take its place. None if there is no such value, or if it is given.
	Over  Value
	Given bool // it is the inputs themselves
}

// Width returns how many numbers it has at one position.
func (r Result) Width() int { return product(r.Shape) }

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Layout returns the weights as a layout.
func (t *Trace) Layout() (tensor.Layout, error) {
	specs := make([]tensor.Spec, len(t.Weights))
	for i, w := range t.Weights {
		specs[i] = w.Spec
	}
	return tensor.NewLayout(specs...)
}

// TraceOf validates m and follows its description. An error says what of it no
// engine could build.
func TraceOf(m Model) (*Trace, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if o, ok := m.(Outside); ok {
		return &Trace{of: m, Weights: o.Weights(), Values: make([]Result, 1)}, nil
	}
	t := &tracer{Trace: Trace{of: m}, index: map[string]int{}, used: []use{{}}}
	t.Values = make([]Result, 1)
	t.inputs, t.targets = m.Takes()
	if t.inputs.Series != t.targets.Series {
		t.fail("inputs are a series, or targets, but not both")
	}
	m.Build(t)
	t.end()
	if t.err != nil {
		return nil, fmt.Errorf("%s: %w", m.Family(), t.err)
	}
	return &t.Trace, nil
}

// tracer is the Builder that fills a Trace. After its first error it goes on with
// values of width 1 and keeps that error.
type tracer struct {
	Trace
	inputs, targets engine.Port
	index           map[string]int // weight by name
	used            []use          // by Value
	ended           bool
	err             error
}

// use says what a value is used for.
type use struct{ input, added bool }

func (t *tracer) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// next returns the number of the stage that is being added.
func (t *tracer) next() Value { return Value(len(t.Values)) }

// add appends a value, unless its shape is impossible.
func (t *tracer) add(what string, shape ...int) Value {
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxWidth/n {
			t.fail("%s has shape %v, want 1 to %d values", what, shape, MaxWidth)
			shape, n = []int{1}, 1
			break
		}
		n *= d
	}
	if t.ended {
		t.fail("%s comes after the loss", what)
	}
	t.Values = append(t.Values, Result{Shape: shape})
	t.used = append(t.used, use{})
	return t.next() - 1
}

// take notes that a stage has x as its input, which must have so many dimensions,
// and returns its shape.
func (t *tracer) take(what string, x Value, dims int) []int {
	shape := slices.Repeat([]int{1}, dims)
	if x <= None || x >= t.next() {
		t.fail("%s: there is no value %d", what, x)
		return shape
	}
	if t.used[x].input || t.used[x].added {
		t.fail("%s: value %d is used already; a value is the input of one stage, and may be added after that", what, x)
	}
	t.used[x].input, t.Values[x].Last = true, t.next()
	if got := t.Values[x].Shape; len(got) == dims {
		return got
	}
	t.fail("%s: value %d has shape %v, want %d dimensions", what, x, t.Values[x].Shape, dims)
	return shape
}

// addTo notes that x is added to the value that comes next, of that width.
func (t *tracer) addTo(what string, x Value, width int) {
	switch {
	case x == None:
	case x < None || x >= t.next() || !t.used[x].input || t.used[x].added:
		t.fail("%s: value %d cannot be added; it must have been the input of a stage, and not added yet", what, x)
	case !slices.Equal(t.Values[x].Shape, []int{width}):
		t.fail("%s: value %d has shape %v and cannot be added to %d values", what, x, t.Values[x].Shape, width)
	default:
		t.used[x].added, t.Values[x].Last = true, t.next()
	}
}

// weight declares a tensor.
func (t *tracer) weight(w Weight) {
	if _, twice := t.index[w.Name]; twice {
		t.fail("%s is used twice", w.Name)
	}
	t.index[w.Name] = len(t.Weights)
	t.Weights = append(t.Weights, w)
}

// end checks what only the whole can show.
func (t *tracer) end() {
	if !t.ended {
		t.fail("there is no loss")
	}
	for i, u := range t.used[1:] {
		if !u.input {
			t.fail("value %d is not used", i+1)
		}
	}
	if t.err == nil && len(t.Weights) == 0 {
		t.err = errors.New("there is nothing to train")
	}
}
