package engine

// This file holds what a model gets right.

// Grade is how a model does on one target.
type Grade struct {
	Loss float64
	// Right says that no other class is as likely to the model as the target, or only
	// some that come after it; it is false where targets are reals.
	Right bool
}

// Grader is an engine that grades each target of a batch by itself, in order; the
// mean of the losses is what Loss returns.
type Grader interface {
	Grade(b Batch) ([]Grade, error)
}
