package engine

// This file holds engines that can be lost and come back.

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLost is returned by an engine that has lost what it worked on: its process
// ended, its device is gone. Every method but Close returns it from then on, and so
// do those of its vectors, until Reopen.
var ErrLost = errors.New("engine is lost")

// Reopener is an engine that can be lost.
type Reopener interface {
	// Reopen starts a lost engine anew. Vectors that were made stay its own.
	// Parameters and vectors then hold anything, and the optimizer has taken no
	// step. After an error the engine is as lost as before: [ErrLost] where trying again
	// may help.
	Reopen() error
}

// The patience of [Insist].
const (
	maxLosses  = 6           // in a row
	firstPause = time.Second // before the second attempt to reopen; each is twice as long
)

// Insist calls f, and after [ErrLost] opens e again, calls restore to bring back what
// f needs of it, and calls f once more. Each loss is told. It gives up, with [ErrLost], where
// Reopen fails with anything else, and after six losses in a row with pauses of half a
// minute in all.
func Insist(ctx context.Context, e Engine, tell func(error), restore, f func() error) error {
	err := f()
	for n := 0; errors.Is(err, ErrLost); n++ {
		r, ok := e.(Reopener)
		if !ok || n == maxLosses {
			return fmt.Errorf("given up after %d losses: %w", n+1, err)
		}
		tell(err)
		if n > 0 {
			if err := pause(ctx, firstPause<<(n-1)); err != nil {
				return err
			}
		}
		if err = r.Reopen(); err != nil && !errors.Is(err, ErrLost) {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		if err == nil {
			err = restore()
		}
		if err == nil {
			err = f()
		}
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
