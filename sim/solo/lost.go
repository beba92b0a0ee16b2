package solo

// This file holds how a training goes on when an engine is lost.

import (
	"bytes"
	"context"

	"lode/engine"
)

// engines are those of a training, of one kind.
type engines []engine.Engine

// fragile reports whether they may be lost and come back.
func (all engines) fragile() bool {
	_, ok := all[0].(engine.Reopener)
	return ok
}

// Reopen implements engine.Reopener: it opens those that are lost.
func (all engines) Reopen() error {
	for _, e := range all {
		if err := e.(engine.Reopener).Reopen(); err != nil {
			return err
		}
	}
	return nil
}

// save remembers the state, from which lost engines go on.
func (t *Trainer) save() error {
	if !t.engines.fragile() {
		return nil
	}
	var b bytes.Buffer
	b.Grow(len(t.saved))
	if err := t.WriteState(&b); err != nil {
		return err
	}
	t.saved = b.Bytes()
	return nil
}

// insist calls f, and where it loses an engine once more, from the state after the
// last round.
func (t *Trainer) insist(ctx context.Context, f func() error) error {
	if !t.engines.fragile() {
		return f()
	}
	all := struct {
		engine.Engine
		engine.Reopener
	}{t.engines[0], t.engines}
	return engine.Insist(ctx, all, func(err error) {
		if t.cfg.Lost != nil {
			t.cfg.Lost(err)
		}
	}, func() error { return t.ReadState(bytes.NewReader(t.saved)) }, f)
}
