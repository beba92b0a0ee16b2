package model

// This file holds the multilayer perceptron and its config.json.

import (
	"errors"
	"fmt"

	"lode/engine"
)

// Bounds on models of examples.
const (
	MaxExample = 1 << 24 // values of one example
	MaxClasses = 1 << 16
)

// MLP is a multilayer perceptron, for tables and for pictures taken as they are:
// fully connected layers with biases and an activation between each two. Its tensors
// are layers.0.weight, layers.0.bias, layers.1.weight and so on.
type MLP struct {
	Input      []int // shape of an example, such as [columns] or [channels, height, width]
	Hidden     []int // widths of the hidden layers; none is a linear model
	Activation Activation
	Classes    int // number of classes; zero predicts reals
	Outputs    int // reals to predict; zero predicts a class
}

// Family implements Model.
func (m MLP) Family() string { return mlpFamily }

// Validate implements Model.
func (m MLP) Validate() error {
	errs := []error{exampleShape(m.Input), widths("hidden", m.Hidden), known(m.Activation)}
	switch {
	case m.Classes == 0:
		errs = append(errs, within("outputs", m.Outputs, MaxClasses))
	case m.Outputs != 0:
		errs = append(errs, fault("outputs", "is %d, but there are %d classes: want only one of them", m.Outputs, m.Classes))
	default:
		errs = append(errs, within("classes", m.Classes, MaxClasses))
	}
	return errors.Join(errs...)
}

// exampleShape refuses shapes that are empty or too large.
func exampleShape(shape []int) error {
	if len(shape) < 1 || len(shape) > 3 {
		return fault("input", "is %v, want 1 to 3 dimensions", shape)
	}
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxExample/n {
			return fault("input", "is %v, want 1 to %d values", shape, MaxExample)
		}
		n *= d
	}
	return nil
}

// widths refuses layers that are too many, too wide or of no width.
func widths(field string, layers []int) error {
	if len(layers) > MaxLayers {
		return fault(field, "has %d layers, want at most %d", len(layers), MaxLayers)
	}
	for i, n := range layers {
		if n < 1 || n > MaxDim {
			return fault(field, "gives layer %d a width of %d, want 1 to %d", i+1, n, MaxDim)
		}
	}
	return nil
}

func known(f Activation) error {
	if f != ReLU && f != GELU {
		return fault("activation", "is %.40q; there are %s and %s", f, ReLU, GELU)
	}
	return nil
}

// Takes implements Model: an example for each row, and its class or its reals, a
// single one without a dimension.
func (m MLP) Takes() (inputs, targets engine.Port) {
	inputs = engine.Port{Shape: m.Input}
	switch {
	case m.Classes > 0:
		return inputs, engine.Port{Limit: m.Classes}
	case m.Outputs == 1:
		return inputs, engine.Port{}
	}
	return inputs, engine.Port{Shape: []int{m.Outputs}}
}

// Build implements Model.
func (m MLP) Build(b Builder) {
	layer := func(i int) string { return fmt.Sprintf("layers.%d", i) }
	x := b.Inputs()
	if len(m.Input) > 1 {
		x = b.Flatten(x)
	}
	for i, n := range m.Hidden {
		x = b.Activate(b.Linear(x, Linear{Parts: []Part{{layer(i), n}}, Bias: true}), m.Activation)
	}
	head := Head{Name: layer(len(m.Hidden)), Bias: true}
	if m.Classes > 0 {
		b.CrossEntropy(x, head)
	} else {
		b.SquaredError(x, head)
	}
}

// mlpConfig holds the fields of config.json in the order they are written.
type mlpConfig struct {
	Activation Activation `json:"activation"`
	Hidden     []int      `json:"hidden_sizes"`
	Input      []int      `json:"input_shape"`
	ModelType  string     `json:"model_type"`
	Classes    int        `json:"num_classes,omitempty"`
	Outputs    int        `json:"num_outputs,omitempty"`
	Dtype      string     `json:"torch_dtype"`
}

const mlpFamily = "mlp"

// Config implements Model.
func (m MLP) Config() []byte {
	mustBeValid(m)
	return write(mlpConfig{m.Activation, list(m.Hidden), m.Input, mlpFamily, m.Classes, m.Outputs, dtype})
}

// parseMLP reads the fields of an MLP.
func parseMLP(r *reader) Model {
	r.ignore("torch_dtype")
	return MLP{
		Input: r.integers("input_shape"), Hidden: r.integers("hidden_sizes"), Activation: Activation(r.text("activation", string(ReLU))),
		Classes: r.integer("num_classes", 0), Outputs: r.integer("num_outputs", 0),
	}
}
