package engine

// This file holds the batch: what an engine trains on or measures.

import (
	"fmt"
	"math"
)

// Bounds on one array of a batch.
const (
	MaxIDs   = 1 << 20 // also of Rows
	MaxReals = 1 << 26
)

// Batch is Rows independent examples: what the model sees of each, and what it
// should have said.
type Batch struct {
	Rows            int
	Inputs, Targets Array
}

// Array holds an array of the same shape for each row of a batch, row after row
// and row-major: either ids, such as tokens and classes, or reals, such as pixels
// and columns of a table. Its length is Rows times the product of Shape.
type Array struct {
	Shape []int     // of one row; empty is one value
	IDs   []int32   // nil if there are reals
	Reals []float32 // finite; nil if there are ids
}

// Tokens returns a batch of sequences of steps token ids: targets[r·steps+t] is
// what should have been predicted of row r after inputs[r·steps+t].
func Tokens(rows, steps int, inputs, targets []int32) Batch {
	shape := []int{steps}
	return Batch{Rows: rows, Inputs: Array{Shape: shape, IDs: inputs}, Targets: Array{Shape: shape, IDs: targets}}
}

// Join returns the rows of all batches as one batch. Their shapes are those of the
// first; an engine refuses what does not add up.
func Join(batches ...Batch) Batch {
	all := Batch{Inputs: Array{Shape: batches[0].Inputs.Shape}, Targets: Array{Shape: batches[0].Targets.Shape}}
	for _, b := range batches {
		all.Rows += b.Rows
		all.Inputs.add(b.Inputs)
		all.Targets.add(b.Targets)
	}
	return all
}

func (a *Array) add(b Array) {
	a.IDs, a.Reals = append(a.IDs, b.IDs...), append(a.Reals, b.Reals...)
}

// NumTargets returns how many values the loss is the mean over: the tokens of a
// text, the rows of a classification.
func (b Batch) NumTargets() int { return len(b.Targets.IDs) + len(b.Targets.Reals) }

// Part returns rows lo to hi, over the same data.
func (b Batch) Part(lo, hi int) Batch {
	return Batch{Rows: hi - lo, Inputs: b.Inputs.part(b.Rows, lo, hi), Targets: b.Targets.part(b.Rows, lo, hi)}
}

func (a Array) part(rows, lo, hi int) Array {
	if a.IDs != nil {
		n := len(a.IDs) / rows
		a.IDs = a.IDs[lo*n : hi*n]
	}
	if a.Reals != nil {
		n := len(a.Reals) / rows
		a.Reals = a.Reals[lo*n : hi*n]
	}
	return a
}

// Port is what an engine takes for one array of a batch.
type Port struct {
	Shape []int // of one row
	// Series says that the first dimension is time and may be shorter. If both
	// ports of an engine are series, inputs and targets have the same length.
	Series bool
	Limit  int // ids are below it; zero takes reals
}

// ValidateInputs is Validate for a batch whose targets are not looked at.
func (b Batch) ValidateInputs(inputs Port) error {
	if b.Rows < 1 || b.Rows > MaxIDs {
		return fmt.Errorf("batch: %d rows, want 1 to %d", b.Rows, MaxIDs)
	}
	if err := b.Inputs.validate(b.Rows, inputs); err != nil {
		return fmt.Errorf("batch: inputs: %w", err)
	}
	return nil
}

// Validate reports whether the batch is one that those ports take.
func (b Batch) Validate(inputs, targets Port) error {
	if err := b.ValidateInputs(inputs); err != nil {
		return err
	}
	if err := b.Targets.validate(b.Rows, targets); err != nil {
		return fmt.Errorf("batch: targets: %w", err)
	}
	if inputs.Series && targets.Series && b.Inputs.Shape[0] != b.Targets.Shape[0] {
		return fmt.Errorf("batch: targets: %d steps, the inputs have %d", b.Targets.Shape[0], b.Inputs.Shape[0])
	}
	return nil
}

func (a Array) validate(rows int, p Port) error {
	if !p.fits(a.Shape) {
		return fmt.Errorf("rows of shape %v, want %v", a.Shape, p)
	}
	kind, most, has, others := "ids", MaxIDs, len(a.IDs), len(a.Reals)
	if p.Limit == 0 {
		kind, most, has, others = "reals", MaxReals, others, has
	}
	n := rows
	for _, d := range a.Shape {
		if n > most/d {
			return fmt.Errorf("%d rows of shape %v, want at most %d %s", rows, a.Shape, most, kind)
		}
		n *= d
	}
	if has != n || others != 0 {
		return fmt.Errorf("%d ids and %d reals for %d rows of shape %v, want %d %s", len(a.IDs), len(a.Reals), rows, a.Shape, n, kind)
	}
	for i, id := range a.IDs {
		if id < 0 || int(id) >= p.Limit {
			return fmt.Errorf("value %d is id %d, want 0 to %d", i, id, p.Limit-1)
		}
	}
	for i, x := range a.Reals {
		if v := float64(x); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("value %d is %v", i, v)
		}
	}
	return nil
}

// fits tells whether a row may have that shape.
func (p Port) fits(shape []int) bool {
	if len(shape) != len(p.Shape) {
		return false
	}
	for i, d := range shape {
		if shorter := i == 0 && p.Series && d < p.Shape[0]; d < 1 || d != p.Shape[i] && !shorter {
			return false
		}
	}
	return true
}

// String returns the shape in words.
func (p Port) String() string {
	if p.Series {
		return fmt.Sprintf("at most %v", p.Shape)
	}
	return fmt.Sprint(p.Shape)
}
