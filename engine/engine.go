package engine

// This file holds what a trainer offers.

import (
	"errors"
	"io"

	"lode/tensor"
)

// ErrClosed is returned by every method of an engine and of its vectors after
// Close.
var ErrClosed = errors.New("engine is closed")

// ErrNotFinite is wrapped where a loss or a gradient is NaN or infinite: by the
// parameters and the batch, and by no fault of the engine.
var ErrNotFinite = errors.New("not finite")

// Vector is D values in layout order that live where their engine works: in
// memory, or on a device. It is used with that engine alone and by the same
// goroutine, and ends with it.
type Vector interface {
	tensor.Reader
	tensor.Writer
}

// Engine trains one model. A method that returns an error has changed nothing,
// unless its comment says otherwise. Methods must not be called at the same
// time.
type Engine interface {
	// Layout names the parameters and says which tensors are frozen: Step leaves
	// their bits alone, their gradient is zero and counts for nothing.
	Layout() tensor.Layout

	// Takes says which batches the engine takes; it refuses all others.
	Takes() (inputs, targets Port)

	// Params returns the parameters. Writing them leaves the optimizer's state as
	// it is.
	Params() Vector

	// Grad returns the gradient that Step or Gradient computed last.
	Grad() tensor.Reader

	// NewVector returns a vector of zeros beside the parameters, for whatever
	// its owner likes. It cannot be given back before Close.
	NewVector() (Vector, error)

	// Step computes the gradient of the mean loss over b, takes one optimizer step
	// and returns the loss before it. A loss or gradient that is not finite is
	// [ErrNotFinite] and moves nothing but Grad.
	Step(b Batch, h Hyper) (loss float64, err error)

	// Loss returns the mean loss over b, or [ErrNotFinite].
	Loss(b Batch) (float64, error)

	// Gradient returns the mean loss over b and leaves its gradient in Grad. An
	// error may spoil Grad.
	Gradient(b Batch) (loss float64, err error)

	// WriteState writes the optimizer's state: step count and the moments of what
	// is trained, not parameters. ReadState takes it back, checks it and reads no byte more.
	WriteState(w io.Writer) error
	ReadState(r io.Reader) error

	// Close frees what the engine holds. Closing twice is not an error.
	Close() error
}
