package model

// This file holds what every architecture says of itself.

import (
	"fmt"

	"lode/engine"
	"lode/tensor"
)

// Model is an architecture with its sizes. It is a plain value that never changes.
type Model interface {
	// Family is the name of the architecture, the model_type of its config.json.
	Family() string

	// Validate reports all faults at once.
	Validate() error

	// Takes says which batches the model is trained on.
	Takes() (inputs, targets engine.Port)

	// Build describes the forward pass of a valid model, from its inputs to its
	// loss. It calls the same methods in the same order every time.
	Build(Builder)

	// Config returns the config.json of a valid model, which [ParseConfig] reads:
	// the same bytes for the same model.
	Config() []byte
}

// Outside is a model that no description says: code of a user's computes it, which runs
// elsewhere. Its Build must not be called.
type Outside interface {
	Model

	// Code says what computes it.
	Code() Code

	// Weights returns its tensors in layout order.
	Weights() []Weight
}

// Code is a user's functions in Python.
type Code struct {
	// Factory makes the module, MODULE:FUNCTION as Python names them; Loss is the one of
	// the same module that gives the loss, empty for the default: the mean cross-entropy,
	// or squared error where targets are reals.
	Factory, Loss string
	// Source is the SHA-256 of that module's file, in hexadecimal. Engines run no other.
	Source string
}

// Layout names the tensors of m in the order in which its description uses them.
func Layout(m Model) (tensor.Layout, error) {
	t, err := TraceOf(m)
	if err != nil {
		return tensor.Layout{}, err
	}
	return t.Layout()
}

// Hidden says of each tensor of m whether it is a matrix between hidden values:
// no vector, and no weight that meets the model's inputs or makes its outputs.
// Those are what Muon steps are for. A tensor of more dimensions counts as a
// matrix whose rows are its first.
func Hidden(m Model) ([]bool, error) {
	t, err := TraceOf(m)
	if err != nil {
		return nil, err
	}
	hidden := make([]bool, len(t.Weights))
	for i, w := range t.Weights {
		hidden[i] = w.Hidden
	}
	return hidden, nil
}

// Fault is what is wrong with one field of a model.
type Fault struct {
	Field string // lower-case, with underscores
	Text  string
}

// Error implements error.
func (f *Fault) Error() string { return "model: " + f.Field + " " + f.Text }

func fault(field, format string, args ...any) error {
	return &Fault{Field: field, Text: fmt.Sprintf(format, args...)}
}

func within(field string, v, most int) error {
	if v < 1 || v > most {
		return fault(field, "is %d, want 1 to %d", v, most)
	}
	return nil
}
