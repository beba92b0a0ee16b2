package replica_test

// This file tests where opened updates lie.

import (
	"context"
	"errors"
	"os"
	"testing"

	"lode/aggregation"
	"lode/gradient"
	"lode/replica"
)

// Updates on a pile merge as those in memory do, and a model that catches up puts
// them there.
func TestPile(t *testing.T) {
	r := rulesOf(t)
	store, dir := shelf{}, t.TempDir()
	m := modelOf(t, r)
	s, merged := finished(t, m, store, 6)
	pile := replica.NewPile(replica.ScratchIn(dir))
	accepted, err := r.Accepted(context.Background(), store, r.Codec(s.Round), s, pile)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range accepted {
		if _, ok := c.Update.(*gradient.Stored); !ok {
			t.Errorf("update %d lies in memory: %T", i, c.Update)
		}
	}
	again, err := m.Merge(accepted)
	if err != nil || again.Plain != merged.Plain || again.Model != merged.Model || again.State != merged.State {
		t.Errorf("another merge, or %v", err)
	}
	if err := pile.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Merge(accepted); !errors.Is(err, os.ErrClosed) {
		t.Errorf("merged from a pile that is closed: %v", err)
	}
	m.Scratch = replica.ScratchIn(dir)
	if err := m.Catch(context.Background(), store, s); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

// full is a file on a disk that has no room.
type full struct{ replica.ScratchFile }

var errFull = errors.New("no space left")

func (full) WriteAt(p []byte, _ int64) (int, error) { return len(p) / 2, errFull }

func TestPileFails(t *testing.T) {
	r := rulesOf(t)
	u := updateOf(t, r, r.Codec(0), 1)
	for name, scratch := range map[string]replica.Scratch{
		"no file": func() (replica.ScratchFile, error) { return nil, errFull },
		"no room": func() (replica.ScratchFile, error) { return full{}, nil },
	} {
		if s, err := replica.NewPile(scratch).Add(u); s != nil || !errors.Is(err, errFull) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	var none *replica.Pile
	if err := none.Close(); err != nil {
		t.Error(err)
	}
	if s, err := replica.NewPile(nil).Add(u); err != nil || s != aggregation.Source(u) {
		t.Errorf("without a scratch: %v, %v", s, err)
	}
}
