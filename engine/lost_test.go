package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// weak is an engine that can be lost; nothing else of it is used.
type weak struct {
	Engine
	faults   []error // of Reopen, in turn; nil after the last
	reopened int
}

func (w *weak) Reopen() (err error) {
	if w.reopened < len(w.faults) {
		err = w.faults[w.reopened]
	}
	w.reopened++
	return err
}

// gives returns a function that fails with one error after another.
func gives(log *[]string, name string, faults ...error) func() error {
	n := 0
	return func() (err error) {
		if n < len(faults) {
			err = faults[n]
		}
		n++
		*log = append(*log, name)
		return err
	}
}

func TestInsist(t *testing.T) {
	other, lost := errors.New("other"), fmt.Errorf("device 3: %w", ErrLost)
	six := []error{lost, lost, lost, lost, lost, lost}
	for name, c := range map[string]struct {
		reopen, restore, f []error
		want               error
		log                []string
		waited             time.Duration
	}{
		"at once":          {log: []string{"f"}},
		"another error":    {f: []error{other}, want: other, log: []string{"f"}},
		"lost once":        {f: []error{lost}, log: []string{"f", "lost", "restore", "f"}},
		"lost, then error": {f: []error{lost, other}, want: other, log: []string{"f", "lost", "restore", "f"}},
		"in restoring":     {f: []error{lost}, restore: []error{lost}, log: []string{"f", "lost", "restore", "lost", "restore", "f"}, waited: time.Second},
		"cannot restore":   {f: []error{lost}, restore: []error{other}, want: other, log: []string{"f", "lost", "restore"}},
		"cannot reopen":    {f: []error{lost}, reopen: []error{other}, want: other, log: []string{"f", "lost"}},
		"reopens later":    {f: []error{lost}, reopen: []error{lost, lost}, log: []string{"f", "lost", "lost", "lost", "restore", "f"}, waited: 3 * time.Second},
		"never":            {f: []error{lost}, reopen: six, want: ErrLost, log: []string{"f", "lost", "lost", "lost", "lost", "lost", "lost"}, waited: 31 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log []string
			start := time.Now()
			err := Insist(t.Context(), &weak{faults: c.reopen}, func(error) { log = append(log, "lost") },
				gives(&log, "restore", c.restore...), gives(&log, "f", c.f...))
			if name == "cannot reopen" && !errors.Is(err, ErrLost) {
				t.Errorf("%s: %v", name, err)
			}
			if !errors.Is(err, c.want) || !slices.Equal(log, c.log) || time.Since(start) != c.waited {
				t.Errorf("%s: %v, %v after %v; want %v, %v after %v", name, err, log, time.Since(start), c.want, c.log, c.waited)
			}
		})
	}
}

// Insisting ends with its context, and at once where an engine cannot come back.
func TestInsistEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var log []string
	err := Insist(ctx, &weak{}, func(error) { cancel() }, gives(&log, "restore"), gives(&log, "f", ErrLost, ErrLost, ErrLost))
	if !errors.Is(err, context.Canceled) || len(log) != 3 {
		t.Errorf("%v after %v", err, log)
	}
	log = nil
	err = Insist(t.Context(), struct{ Engine }{}, func(error) { t.Error("told") }, gives(&log, "restore"), gives(&log, "f", ErrLost))
	if !errors.Is(err, ErrLost) || len(log) != 1 {
		t.Errorf("%v after %v", err, log)
	}
}
