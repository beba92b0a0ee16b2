package engine

// This file holds the batch: what an engine trains on or measures.

import "fmt"

// MaxTokens bounds Rows·Steps of one batch.
const MaxTokens = 1 << 20

// Batch is Rows independent sequences of Steps token ids. Inputs[r·Steps+t] is
// what the model sees at position t of row r and Targets the id it should have
// predicted there. Both have length Rows·Steps.
type Batch struct {
	Rows, Steps int
	Inputs      []int32
	Targets     []int32
}

// Validate reports whether the batch has the lengths it claims and only ids
// below vocab.
func (b Batch) Validate(vocab int) error {
	if b.Rows <= 0 || b.Steps <= 0 || b.Rows > MaxTokens || b.Steps > MaxTokens/b.Rows {
		return fmt.Errorf("batch: %d rows of %d steps, want 1 to %d tokens", b.Rows, b.Steps, MaxTokens)
	}
	n := b.Rows * b.Steps
	if len(b.Inputs) != n || len(b.Targets) != n {
		return fmt.Errorf("batch: %d inputs and %d targets for %d rows of %d steps", len(b.Inputs), len(b.Targets), b.Rows, b.Steps)
	}
	if err := checkIDs("input", b.Inputs, vocab); err != nil {
		return err
	}
	return checkIDs("target", b.Targets, vocab)
}

func checkIDs(what string, ids []int32, vocab int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("batch: %s %d is token %d, vocabulary has %d", what, i, id, vocab)
		}
	}
	return nil
}
