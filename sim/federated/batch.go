package federated

// This file holds how examples become batches.

import (
	"fmt"
	"slices"

	"lode/data/examples"
	"lode/engine"
)

// fits tells whether the model takes the examples.
func (s *server) fits(e Engine) error {
	inputs, targets := e.Takes()
	size, has := product(inputs.Shape), product(s.Set.Shape())
	switch {
	case inputs.Limit != 0 || inputs.Series || len(targets.Shape) > 1 || product(targets.Shape) != 1:
		return fmt.Errorf("federated: the model takes %v and predicts %v, not one value of an example", inputs, targets)
	case size != has:
		return fmt.Errorf("federated: the model takes %d values of shape %v, examples have %d of shape %v", size, inputs.Shape, has, s.Set.Shape())
	case targets.Limit != len(s.Set.Classes()):
		return fmt.Errorf("federated: the model has %d classes, the examples have %d", targets.Limit, len(s.Set.Classes()))
	}
	return nil
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// batches makes batches in memory of its own.
type batches struct {
	set    *examples.Set
	size   int // values of an example
	vals   []float32
	labels []int32
	reals  []float32
	batch  engine.Batch
}

func newBatches(set *examples.Set, e Engine) *batches {
	inputs, targets := e.Takes()
	b := &batches{set: set, size: product(inputs.Shape)}
	b.batch.Inputs.Shape, b.batch.Targets.Shape = inputs.Shape, targets.Shape
	return b
}

// of returns a batch of these examples, valid until the next call.
func (b *batches) of(all []int) (engine.Batch, error) {
	b.vals = slices.Grow(b.vals[:0], len(all)*b.size)[:len(all)*b.size]
	b.labels, b.reals = b.labels[:0], b.reals[:0]
	for i, e := range all {
		if err := b.set.Read(b.vals[i*b.size:(i+1)*b.size], e); err != nil {
			return engine.Batch{}, err
		}
		if b.set.Classes() != nil {
			b.labels = append(b.labels, int32(b.set.Label(e)))
		} else {
			b.reals = append(b.reals, b.set.Target(e))
		}
	}
	b.batch.Rows, b.batch.Inputs.Reals = len(all), b.vals
	b.batch.Targets.IDs, b.batch.Targets.Reals = b.labels, b.reals
	return b.batch, nil
}
