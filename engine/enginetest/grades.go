package enginetest

// This file holds the kit's checks of grades, for engines that give them.

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
)

// grades must be the reference's losses of rows by themselves, and right where no
// other class would make the loss smaller: every second row is made so.
func (k kit) grades(t *testing.T) {
	e := k.engine(t)
	g, ok := e.(engine.Grader)
	if !ok {
		t.Skip("the engine gives no grades")
	}
	ref := k.reference(t)
	_, targets := e.Takes()
	b := Batch(rand.New(rand.NewPCG(5, 6)), k.model, 9, 1) // of texts one token a row
	likeliest := make([]int32, b.Rows)
	for i := range b.Rows {
		least := math.Inf(1)
		for c := range targets.Limit {
			one := alone(b, i)
			one.Targets.IDs = []int32{int32(c)}
			if loss := ref.Loss(one); loss < least {
				least, likeliest[i] = loss, int32(c)
			}
		}
		if i%2 == 0 && targets.Limit > 0 {
			b.Targets.IDs[i] = likeliest[i]
		}
	}
	grades, err := g.Grade(b)
	if err != nil || len(grades) != b.Rows {
		t.Fatalf("%d grades of %d rows, error %v", len(grades), b.Rows, err)
	}
	sum := 0.0
	for i, got := range grades {
		if loss := ref.Loss(alone(b, i)); math.Abs(got.Loss-loss) > 1e-5*max(1, loss) {
			t.Errorf("row %d: loss %v, want %v", i, got.Loss, loss)
		}
		if right := targets.Limit > 0 && b.Targets.IDs[i] == likeliest[i]; got.Right != right {
			t.Errorf("row %d: right is %v, want %v", i, got.Right, right)
		}
		sum += got.Loss / float64(b.Rows)
	}
	if mean, err := e.Loss(b); err != nil || math.Abs(mean-sum) > 1e-6*max(1, mean) { // an engine may take its mean in float32
		t.Errorf("grades have mean %v, the loss is %v, error %v", sum, mean, err)
	}
	one := alone(b, 0)
	b.Rows++
	if _, err := g.Grade(b); err == nil {
		t.Error("a batch with a row too many is graded")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Grade(one); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: error %v", err)
	}
}

// alone returns row i of a batch by itself.
func alone(b engine.Batch, i int) engine.Batch {
	return engine.Batch{Rows: 1, Inputs: rowOf(b.Inputs, i, b.Rows), Targets: rowOf(b.Targets, i, b.Rows)}
}
