package model

// This file holds what a trace learns from each stage.

import (
	"slices"

	"lode/tensor"
)

// Inputs implements Builder.
func (t *tracer) Inputs() Value {
	if t.inputs.Limit != 0 || t.inputs.Series {
		t.fail("inputs: are no reals of one shape")
	}
	x := t.add("inputs", t.inputs.Shape...)
	t.Values[x].Given = true
	return x
}

// Embed implements Builder.
func (t *tracer) Embed(name string, num, dim int) Value {
	if t.inputs.Limit != num {
		t.fail("%s: has %d rows, inputs are below %d", name, num, t.inputs.Limit)
	}
	t.weight(Weight{Spec: tensor.Spec{Name: name + ".weight", Shape: []int{num, dim}, Kind: tensor.Embedding}})
	return t.add(name, dim)
}

// RMSNorm implements Builder.
func (t *tracer) RMSNorm(name string, x Value, _ float64) Value {
	shape := t.take(name, x, 1)
	t.weight(Weight{Spec: tensor.Spec{Name: name + ".weight", Shape: shape}, start: ones})
	return t.add(name, shape...)
}

// Linear implements Builder.
func (t *tracer) Linear(x Value, l Linear) Value {
	if len(l.Parts) == 0 {
		t.fail("linear: has no parts")
		return t.add("linear", 1)
	}
	what, in, out := l.Parts[0].Name, t.take(l.Parts[0].Name, x, 1)[0], 0
	for _, p := range l.Parts {
		t.weight(Weight{Spec: tensor.Spec{Name: p.Name + ".weight", Shape: []int{p.Out, in}}, Hidden: !t.given(x), sums: l.Sums})
		out += p.Out
	}
	for _, p := range l.Parts {
		t.bias(l.Bias, p.Name, p.Out)
	}
	t.addTo(what, l.Add, out)
	y := t.add(what, out)
	if !t.given(l.Add) {
		t.Values[y].Over = l.Add
	}
	return y
}

// Attention implements Builder.
func (t *tracer) Attention(x Value, h Heads) Value {
	wide := t.take("attention", x, 1)[0]
	if !t.inputs.Series {
		t.fail("attention: inputs are no series")
	}
	if h.Query < 1 || h.KV < 1 || h.Query%h.KV != 0 || wide%(2*(h.Query+2*h.KV)) != 0 {
		t.fail("attention: %d values cannot be %d heads over %d, of an even width", wide, h.Query, h.KV)
		return t.add("attention", 1)
	}
	return t.add("attention", h.Query*h.Dim(wide))
}

// SwiGLU implements Builder.
func (t *tracer) SwiGLU(x Value) Value {
	wide := t.take("swiglu", x, 1)[0]
	if wide%2 != 0 {
		t.fail("swiglu: %d values are no pairs", wide)
	}
	return t.add("swiglu", wide/2)
}

// Conv2D implements Builder.
func (t *tracer) Conv2D(x Value, c Conv) Value {
	in := t.take(c.Name, x, 3)
	shape := []int{c.Out, in[0], c.Size, c.Size}
	t.weight(Weight{Spec: tensor.Spec{Name: c.Name + ".weight", Shape: shape}, Hidden: !t.given(x)})
	t.bias(c.Bias, c.Name, c.Out)
	y := t.windows(c.Name, c.Window, []int{c.Out, in[1], in[2]})
	// Engines lay out what all windows of an example see.
	out := t.Values[y].Shape
	if len(out) == 3 {
		num, values := float64(out[1])*float64(out[2]), float64(in[0])*float64(c.Size)*float64(c.Size)
		if num*values > MaxUnrolled {
			t.fail("%s: %.0f windows of %.0f values are more than %d together", c.Name, num, values, MaxUnrolled)
		}
	}
	return y
}

// Pool implements Builder.
func (t *tracer) Pool(x Value, p Pool) Value {
	in := t.take("pool", x, 3)
	if p.Pad != 0 {
		t.fail("pool: has padding of %d, there is none", p.Pad)
	}
	return t.windows("pool", p.Window, in)
}

// windows adds a value with one number for each window of the planes.
func (t *tracer) windows(what string, w Window, planes []int) Value {
	if w.Size < 1 || w.Size > MaxWidth || w.Stride < 1 || w.Pad < 0 || w.Pad >= w.Size {
		t.fail("%s: window of %d, stride %d and padding %d: want a size and a stride of at least 1, and less padding than size", what, w.Size, w.Stride, w.Pad)
		return t.add(what, 1)
	}
	height, width := w.Over(planes[1]), w.Over(planes[2])
	if height < 1 || width < 1 {
		t.fail("%s: a window of %d with padding %d does not fit on %d by %d", what, w.Size, w.Pad, planes[1], planes[2])
		return t.add(what, 1)
	}
	return t.add(what, planes[0], height, width)
}

// Activate implements Builder.
func (t *tracer) Activate(x Value, f Activation) Value {
	if f != ReLU && f != GELU {
		t.fail("activation %.40q is not known; there are %s and %s", f, ReLU, GELU)
	}
	return t.add(string(f), t.any(string(f), x)...)
}

// Flatten implements Builder.
func (t *tracer) Flatten(x Value) Value {
	y := t.add("flatten", product(t.any("flatten", x)))
	if t.Values[y].Given = t.given(x); !t.given(x) {
		t.Values[y].Over = x
	}
	return y
}

// any is take for a stage that takes every shape.
func (t *tracer) any(what string, x Value) []int {
	dims := 1
	if x > None && x < t.next() {
		dims = len(t.Values[x].Shape)
	}
	return t.take(what, x, dims)
}

// given tells whether x is the inputs themselves.
func (t *tracer) given(x Value) bool { return x > None && x < t.next() && t.Values[x].Given }

// bias declares the bias of a module that has one.
func (t *tracer) bias(has bool, name string, out int) {
	if has {
		t.weight(Weight{Spec: tensor.Spec{Name: name + ".bias", Shape: []int{out}}, start: zeros})
	}
}

// CrossEntropy implements Builder.
func (t *tracer) CrossEntropy(x Value, h Head) {
	if t.targets.Limit == 0 || !t.targets.Series && len(t.targets.Shape) != 0 {
		t.fail("%s: targets are not one class each", h.Name)
	}
	t.head(x, h, t.targets.Limit)
}

// SquaredError implements Builder.
func (t *tracer) SquaredError(x Value, h Head) {
	if t.targets.Limit != 0 || t.targets.Series {
		t.fail("%s: targets are no reals of one shape", h.Name)
	}
	t.head(x, h, product(t.targets.Shape))
}

// head declares the last module.
func (t *tracer) head(x Value, h Head, out int) {
	in := t.take(h.Name, x, 1)[0]
	spec := tensor.Spec{Name: h.Name + ".weight", Shape: []int{out, in}}
	i, tied := t.index[spec.Name]
	switch {
	case !tied:
		t.weight(Weight{Spec: spec})
	case t.Weights[i].Kind != tensor.Embedding || !slices.Equal(t.Weights[i].Shape, spec.Shape):
		t.fail("%s cannot be the head: it is no embedding of shape %v", h.Name, spec.Shape)
	}
	t.bias(h.Bias, h.Name, out)
	t.ended = true
}
