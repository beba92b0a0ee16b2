package engine

// This file holds what a model says where no target is known.

// Predictor is an engine that tells what its model makes of inputs.
type Predictor interface {
	// Predict returns for each row, of a series after its last step, one number for each
	// id that a target may be, of which softmax makes probabilities, or for each real to
	// predict: row after row. Targets are not looked at and may be missing. Numbers that
	// are not finite are [ErrNotFinite].
	Predict(b Batch) ([]float32, error)
}

// Continuer is a Predictor that remembers a text. One whose text is longer than what
// inputs may be sees at least that much of it.
type Continuer interface {
	// Continue begins a text, of one row. What it returns takes the next ids, one at
	// least, and says what Predict would after them; the next call overwrites that.
	Continue() (func(ids []int32) ([]float32, error), error)
}

// Width returns how many numbers a [Predictor] returns for each row of such targets.
func (p Port) Width() int {
	if p.Limit > 0 {
		return p.Limit
	}
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}
