package cuda

// This file says what the engine can train, without a card.

import (
	"fmt"

	"lode/engine/model"
)

// Able says why no card could train m, nil if one could.
func Able(m model.Model) error {
	e, err := describe(m, Options{})
	if err == nil {
		_, err = newProgram(m, e.trace, e.layout, e.frozen, options{positions: 1})
	}
	if err != nil {
		return fmt.Errorf("cuda: %w", err)
	}
	return nil
}
