package torch

// This file holds a model's description as it travels: a list of stages.

import "lode/engine/model"

// stage is one call of a Builder. Its number in the list, from 1, is that of its
// value.
type stage struct {
	Op     string  `cbor:"op"`
	In     int     `cbor:"in"` // value it takes; 0 for the model's inputs
	Name   string  `cbor:"name"`
	Eps    float64 `cbor:"eps"`
	Parts  []part  `cbor:"parts"`
	Bias   bool    `cbor:"bias"`
	Add    int     `cbor:"add"` // value added to the result, or 0
	Size   int     `cbor:"size"`
	Stride int     `cbor:"stride"`
	Pad    int     `cbor:"pad"`
	Mean   bool    `cbor:"mean"`
	Query  int     `cbor:"query"`
	KV     int     `cbor:"kv"`
	Theta  float64 `cbor:"theta"`
}

type part struct {
	Name string `cbor:"name"`
	Out  int    `cbor:"out"`
}

// program writes down a description.
type program []stage

// travelling returns what the process must know of a model.
func travelling(m model.Model, tensors []spec) map[string]any {
	if o, ok := m.(model.Outside); ok {
		c := o.Code()
		return map[string]any{"factory": c.Factory, "loss": c.Loss, "source": c.Source}
	}
	positions := 1
	if inputs, _ := m.Takes(); inputs.Series {
		positions = 2
	}
	var p program
	m.Build(&p)
	return map[string]any{"stages": p, "tensors": tensors, "positions": positions}
}

func (p *program) add(s stage) model.Value {
	*p = append(*p, s)
	return model.Value(len(*p))
}

// Inputs implements model.Builder.
func (p *program) Inputs() model.Value { return p.add(stage{Op: "inputs"}) }

// Embed implements model.Builder.
func (p *program) Embed(name string, _, _ int) model.Value {
	return p.add(stage{Op: "embed", Name: name})
}

// RMSNorm implements model.Builder.
func (p *program) RMSNorm(name string, x model.Value, eps float64) model.Value {
	return p.add(stage{Op: "rms_norm", In: int(x), Name: name, Eps: eps})
}

// Linear implements model.Builder.
func (p *program) Linear(x model.Value, l model.Linear) model.Value {
	s := stage{Op: "linear", In: int(x), Add: int(l.Add), Bias: l.Bias}
	for _, q := range l.Parts {
		s.Parts = append(s.Parts, part{q.Name, q.Out})
	}
	return p.add(s)
}

// Conv2D implements model.Builder.
func (p *program) Conv2D(x model.Value, c model.Conv) model.Value {
	return p.add(stage{Op: "conv2d", In: int(x), Name: c.Name, Bias: c.Bias, Size: c.Size, Stride: c.Stride, Pad: c.Pad})
}

// Pool implements model.Builder.
func (p *program) Pool(x model.Value, w model.Pool) model.Value {
	return p.add(stage{Op: "pool", In: int(x), Mean: w.Mean, Size: w.Size, Stride: w.Stride})
}

// Activate implements model.Builder.
func (p *program) Activate(x model.Value, f model.Activation) model.Value {
	return p.add(stage{Op: string(f), In: int(x)})
}

// Flatten implements model.Builder.
func (p *program) Flatten(x model.Value) model.Value { return p.add(stage{Op: "flatten", In: int(x)}) }

// Attention implements model.Builder.
func (p *program) Attention(x model.Value, h model.Heads) model.Value {
	return p.add(stage{Op: "attention", In: int(x), Query: h.Query, KV: h.KV, Theta: h.Theta})
}

// SwiGLU implements model.Builder.
func (p *program) SwiGLU(x model.Value) model.Value {
	return p.add(stage{Op: "swiglu", In: int(x)})
}

// CrossEntropy implements model.Builder.
func (p *program) CrossEntropy(x model.Value, h model.Head) {
	p.add(stage{Op: "cross_entropy", In: int(x), Name: h.Name, Bias: h.Bias})
}

// SquaredError implements model.Builder.
func (p *program) SquaredError(x model.Value, h model.Head) {
	p.add(stage{Op: "squared_error", In: int(x), Name: h.Name, Bias: h.Bias})
}
