package engine

// This file holds what a trainer offers.

import (
	"errors"
	"io"

	"lode/tensor"
)

// ErrClosed is returned by every method of an engine after Close.
var ErrClosed = errors.New("engine is closed")

// Engine trains one model. A method that returns an error has changed nothing,
// unless its comment says otherwise. Methods must not be called at the same
// time.
type Engine interface {
	// Layout names the parameters.
	Layout() tensor.Layout

	// Takes says which batches the engine takes; it refuses all others.
	Takes() (inputs, targets Port)

	// Reader and Writer give and take parameters. Writing leaves the
	// optimizer's state as it is.
	tensor.Reader
	tensor.Writer

	// Step computes the gradient of the mean loss over b, takes one AdamW step
	// and returns the loss before it. A loss or gradient that is not finite is
	// an error and moves nothing.
	Step(b Batch, h Hyper) (loss float64, err error)

	// Loss returns the mean loss over b.
	Loss(b Batch) (float64, error)

	// Gradient returns the mean loss over b and leaves its gradient in the
	// engine, for ReadGradient, until the next Step, Gradient or Close.
	Gradient(b Batch) (loss float64, err error)

	// ReadGradient fills dst, of length c.Len, with the gradient last computed.
	ReadGradient(c tensor.Chunk, dst []float32) error

	// WriteState writes the optimizer's state: moments and step count, not
	// parameters. ReadState takes it back, checks it and reads no byte more.
	WriteState(w io.Writer) error
	ReadState(r io.Reader) error

	// Close frees what the engine holds. Closing twice is not an error.
	Close() error
}
