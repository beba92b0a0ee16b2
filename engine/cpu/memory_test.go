package cpu

// This file tests that values share memory only where they may.

import (
	"testing"

	"lode/engine"
	"lode/engine/model"
)

// described is a model of tokens below 11 that is nothing but a description.
type described func(model.Builder)

func (d described) Family() string        { return "described" }
func (d described) Validate() error       { return nil }
func (d described) Config() []byte        { return nil }
func (d described) Build(b model.Builder) { d(b) }
func (d described) Takes() (inputs, targets engine.Port) {
	p := engine.Port{Shape: []int{40}, Series: true, Limit: 11}
	return p, p
}

func linear(b model.Builder, x model.Value, name string, out int, add model.Value) model.Value {
	return b.Linear(x, model.Linear{Parts: []model.Part{{Name: name, Out: out}}, Add: add})
}

// TestResiduals: whatever stage comes first after a value that is added later, and
// however residuals lie in each other, the gradient is that of the reference.
func TestResiduals(t *testing.T) {
	for name, build := range map[string]func(b model.Builder, x model.Value) model.Value{
		"around a linear stage": func(b model.Builder, x model.Value) model.Value {
			return linear(b, linear(b, x, "a", 9, model.None), "b", 12, x)
		},
		"around pairs": func(b model.Builder, x model.Value) model.Value {
			return linear(b, b.SwiGLU(x), "a", 12, x)
		},
		"around attention": func(b model.Builder, x model.Value) model.Value {
			return linear(b, b.Attention(x, model.Heads{Query: 2, KV: 2, Theta: 100}), "a", 12, x)
		},
		"in each other": func(b model.Builder, x model.Value) model.Value {
			y := linear(b, b.RMSNorm("n", x, 1e-5), "a", 7, model.None)
			z := linear(b, b.RMSNorm("m", y, 1e-5), "b", 6, model.None)
			z = linear(b, b.SwiGLU(z), "c", 7, y)
			return linear(b, z, "d", 12, x)
		},
		"of a sum that is no stage's width": func(b model.Builder, x model.Value) model.Value {
			y := linear(b, x, "a", 5, model.None)
			return linear(b, linear(b, y, "b", 3, model.None), "c", 5, y)
		},
	} {
		t.Run(name, func(t *testing.T) {
			compareReference(t, described(func(b model.Builder) {
				b.CrossEntropy(build(b, b.Embed("words", 11, 12)), "head")
			}), 3, 8)
		})
	}
}

// TestSlots: values of a chain take turns in two slots, whatever its length, and a
// residual holds one of its own.
func TestSlots(t *testing.T) {
	trace, err := model.TraceOf(model.Default())
	if err != nil {
		t.Fatal(err)
	}
	s := newSlots(trace, 5)
	var sizes []int
	for _, m := range s.memory {
		sizes = append(sizes, len(m)/5)
	}
	if m := model.Default(); len(sizes) != 3 || sizes[0] != m.Dim || sizes[1]+sizes[2] > 2*m.FFN+3*m.Dim {
		t.Errorf("slots are %v wide", sizes)
	}
}
