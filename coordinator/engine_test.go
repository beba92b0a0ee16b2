package coordinator_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/checkpoints"
	"lode/coordinator"
	"lode/coordinator/journal"
	"lode/coordinator/ordertest"
	"lode/coordinator/round"
	"lode/replica"
	"lode/yuma/ledger"
)

// alone is a coordinator on a disk, with puppets who play on and on.
type alone struct {
	rules *replica.Rules
	dir   string
	blobs *checkpoints.Blobs
	at    *place
	now   *coordinator.Coordinator
	end   func()
}

// newAlone has puppets play until the test ends; no coordinator is there yet.
func newAlone(t *testing.T) *alone {
	t.Helper()
	r := rules(t)
	a := &alone{rules: r, dir: t.TempDir(), at: new(place)}
	a.blobs = payloads(t, r, t.TempDir())
	a.at.move(nil, nil)
	ctx, cancel := context.WithCancel(withDeadline(t, time.Minute))
	var g errgroup.Group
	for i, k := range slices.Concat(workerKeys, validatorKeys) {
		g.Go(func() error { return newPuppet(r, a.at, k, i >= len(workerKeys)).run(ctx, 1<<40) })
	}
	t.Cleanup(func() {
		cancel()
		if a.end != nil {
			a.end()
		}
		_ = g.Wait() // ended by us
	})
	return a
}

func (a *alone) Genesis() ledger.Genesis { return round.Genesis(a.rules.Manifest) }

// Start goes on with what the last process left on the disk.
func (a *alone) Start(t *testing.T) coordinator.Engine {
	t.Helper()
	if a.end != nil {
		a.end()
	}
	file, err := journal.Open(filepath.Join(a.dir, "record.db"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := file.Record(a.rules.Run)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := file.Archive(a.rules.Run)
	if err != nil {
		t.Fatal(err)
	}
	a.now, err = coordinator.New(coordinator.Config{
		Key: coordinatorKey, Rules: a.rules, Journal: record, Payloads: a.blobs, Archive: archive, StateEvery: 2, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	life, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { return a.now.Run(life) })
	a.end = func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		_ = file.Close()
	}
	a.at.move(a.now, life)
	a.Pass(t, 2) // the owner of the run was paid
	return a.now
}

func (a *alone) Pass(t *testing.T, blocks int) {
	t.Helper()
	height := func() (h uint64) {
		if err := a.now.Ask(t.Context(), func(m *round.Machine) { h = m.Ledger().Network().Height }); err != nil {
			t.Fatal(err)
		}
		return h
	}
	for last := height() + uint64(blocks); height() < last; time.Sleep(time.Millisecond) {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
}

// Transfer is of the run's owner, who sends nothing else.
func (a *alone) Transfer(n uint64) ledger.Tx {
	return ledger.Sign(keyOf(201), a.Genesis().Network(), n, 0, ledger.Transfer{To: ledger.Coldkey{9}, Amount: 1})
}

// A coordinator is an engine of a ledger like any other.
func TestEngineConforms(t *testing.T) {
	ordertest.Run(t, newAlone(t), 20)
}
