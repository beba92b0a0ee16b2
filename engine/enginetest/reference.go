package enginetest

// This file holds the reference trainer: its parameters, loss and step.

import (
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/model"
	"lode/tensor"
)

// Reference trains a model in float64. Params, Grads, First and Second have
// length D in layout order and may be read and written between calls.
type Reference struct {
	Params, Grads, First, Second []float64
	Frozen                       []bool // of each tensor; nil freezes none

	arch   model.Model
	trace  *model.Trace
	layout tensor.Layout
	steps  int
}

// NewReference returns a trainer for m with all parameters zero.
func NewReference(m model.Model) (*Reference, error) {
	trace, err := model.TraceOf(m)
	if err != nil {
		return nil, err
	}
	l, err := trace.Layout()
	if err != nil {
		return nil, err
	}
	r := &Reference{arch: m, trace: trace, layout: l}
	for _, p := range []*[]float64{&r.Params, &r.Grads, &r.First, &r.Second} {
		*p = make([]float64, l.Len())
	}
	return r, nil
}

// WriteChunk sets parameters.
func (r *Reference) WriteChunk(c tensor.Chunk, src []float32) error {
	for i, v := range src[:c.Len] {
		r.Params[c.Offset+i] = float64(v)
	}
	return nil
}

// Loss returns the mean loss over b, which must be valid for the model.
func (r *Reference) Loss(b engine.Batch) float64 { return r.run(b, false) }

// Gradient returns the mean loss over b and sets Grads.
func (r *Reference) Gradient(b engine.Batch) float64 {
	clear(r.Grads)
	loss := r.run(b, true)
	for t := range r.Frozen {
		if r.Frozen[t] {
			clear(r.Grads[r.layout.Offset(t):][:r.layout.Spec(t).Len()])
		}
	}
	return loss
}

// Predict returns what the model makes of inputs, as engine.Predictor says.
func (r *Reference) Predict(b engine.Batch) (said []float64) {
	for row := range b.Rows {
		t := tape{Reference: r, inputs: rowOf(b.Inputs, row, b.Rows)}
		t.run(false)
		said = append(said, t.said...)
	}
	return said
}

func (r *Reference) run(b engine.Batch, back bool) float64 {
	sum := 0.0
	for row := range b.Rows {
		t := tape{Reference: r, share: 1 / float64(b.NumTargets()), inputs: rowOf(b.Inputs, row, b.Rows), targets: rowOf(b.Targets, row, b.Rows)}
		sum += t.run(back)
	}
	return sum / float64(b.NumTargets())
}

// rowOf returns one of the rows of an array.
func rowOf(a engine.Array, row, rows int) engine.Array {
	ids, reals := len(a.IDs)/rows, len(a.Reals)/rows
	a.IDs, a.Reals = a.IDs[row*ids:(row+1)*ids], a.Reals[row*reals:(row+1)*reals]
	return a
}

// Step takes one optimizer step and returns the loss before it.
func (r *Reference) Step(b engine.Batch, h engine.Hyper) (float64, error) {
	h, err := h.Resolve()
	if err != nil {
		return 0, err
	}
	loss := r.Gradient(b)
	scale := 1.0
	if norm := math.Sqrt(dot(r.Grads, r.Grads)); h.ClipNorm > 0 && norm > float64(h.ClipNorm) {
		scale = float64(h.ClipNorm) / norm
	}
	r.steps++
	b1, b2, rate := float64(h.Beta1), float64(h.Beta2), float64(h.Rate)
	c1, c2 := 1-math.Pow(b1, float64(r.steps)), 1-math.Pow(b2, float64(r.steps))
	for t := range r.layout.NumTensors() {
		if r.Frozen != nil && r.Frozen[t] {
			continue
		}
		spec, lo, decay := r.layout.Spec(t), r.layout.Offset(t), 0.0
		hi := lo + spec.Len()
		if len(spec.Shape) > 1 {
			decay = float64(h.WeightDecay)
		}
		if h.Muon && r.trace.Weights[t].Hidden {
			for i := lo; i < hi; i++ {
				r.Grads[i] *= scale
			}
			muon(r.Params[lo:hi], r.Grads[lo:hi], r.First[lo:hi], spec.Len()/spec.Shape[0], rate, decay)
			continue
		}
		for i := lo; i < hi; i++ {
			g := r.Grads[i] * scale
			r.First[i] = b1*r.First[i] + (1-b1)*g
			r.Second[i] = b2*r.Second[i] + (1-b2)*g*g
			r.Params[i] -= rate * (decay*r.Params[i] + r.First[i]/c1/(math.Sqrt(r.Second[i]/c2)+float64(h.Epsilon)))
		}
	}
	return loss, nil
}

// at returns a tensor's values and their gradients.
func (r *Reference) at(name string) (w, dw []float64) {
	for t := range r.layout.NumTensors() {
		if s := r.layout.Spec(t); s.Name == name {
			lo := r.layout.Offset(t)
			return r.Params[lo : lo+s.Len()], r.Grads[lo : lo+s.Len()]
		}
	}
	panic(fmt.Sprintf("enginetest: no tensor %q", name))
}

func dot(x, y []float64) float64 {
	s := 0.0
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// add sets y += a·x.
func add(y []float64, a float64, x []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}
