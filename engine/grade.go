package engine

// This file holds what a model gets right.

import "errors"

// Grade is how a model does on one row of a batch, or one token of a text.
type Grade struct {
	Loss float64 // mean over the targets of the row
	// Right says that to the model no class is likelier than the target, and none
	// before it as likely; it is false where targets are reals.
	Right bool
}

// ErrNoGrades is returned by a [Grader] whose model has a loss for batches alone.
var ErrNoGrades = errors.New("the model's loss is one number for a batch and grades no rows")

// Grader is an engine that grades each row of a batch by itself, in order, or each
// token. The mean of the grades' losses is what Loss returns. Where the
// model has no grades Grade returns [ErrNoGrades], always.
type Grader interface {
	Grade(b Batch) ([]Grade, error)
}
