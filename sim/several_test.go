package sim

// This file tests that runs share a machine: one process, one file of records, one
// folder of payloads, one store, and members with the same keys and folders.

import (
	"context"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"lode/checkpoints"
	"lode/coordinator"
	"lode/coordinator/journal"
	"lode/coordinator/round"
	"lode/protocol"
)

// shared is what several runs share.
type shared struct {
	dir   string
	file  *journal.File
	store *checkpoints.Dir
}

// tenant is one run among several.
type tenant struct {
	*tiny
	opts  Options
	final []round.Summary
}

func (s shared) tenant(t *testing.T, name string, change func(*protocol.Manifest)) *tenant {
	t.Helper()
	y := newTiny(t)
	man := y.rules.Manifest
	man.Name = name
	change(&man)
	n := &tenant{tiny: y, opts: Options{
		Manifest: man, Source: y.source, Index: y.index, Dir: s.dir, Validators: 1, Conducts: []string{""}, Log: y.log,
	}}
	n.opts.Each = func(_ *round.Machine, f round.Summary) { n.final = append(n.final, f) }
	var err error
	if y.rules, err = n.opts.rules(); err != nil {
		t.Fatal(err)
	}
	if y.blobs, err = checkpoints.OpenBlobs(filepath.Join(s.dir, "payloads"), y.rules.Run, 1<<20, 1<<30); err != nil {
		t.Fatal(err)
	}
	return n
}

// live keeps the run's record and plays it until so many rounds are final.
func (n *tenant) live(ctx context.Context, s shared, rounds uint64) error {
	record, err := s.file.Record(n.rules.Run)
	if err != nil {
		return err
	}
	publisher, err := coordinator.NewPublisher(coordinator.PublisherConfig{
		Store: s.store, Key: Key("coordinator", 0), Rules: n.rules, From: disk{n.blobs}, Every: 2,
	})
	if err != nil {
		return err
	}
	c, err := coordinator.New(coordinator.Config{
		Key: Key("coordinator", 0), Rules: n.rules, Journal: record, Payloads: n.blobs, Publish: publisher, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.final, n.opts.Rounds = nil, rounds
	_, err = n.opts.play(ctx, n.rules, c)
	return err
}

// verify recomputes the run from what lies on disk.
func (n *tenant) verify(t *testing.T, s shared) {
	t.Helper()
	n.steadily(t, n.final)
	record, err := s.file.Record(n.rules.Run)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := record.Read(0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	rep := round.NewReplica(n.rules.Manifest)
	for _, e := range entries {
		if _, err := rep.Feed(e); err != nil {
			t.Fatalf("%s: the record breaks at entry %d of %d: %v", n.opts.Manifest.Name, rep.Chain.Next, len(entries), err)
		}
	}
	emitted := rep.Machine.Ledger().Network().Emitted
	if rounds := rep.Machine.Counts().Rounds; rounds < n.opts.Rounds || (emitted > 0) != n.rules.Manifest.Economy.Pays() {
		t.Errorf("%s: %d rounds, %d emitted", n.opts.Manifest.Name, rounds, emitted)
	}
	n.published(t, s, rep.Machine)
}

// published demands whole checkpoints of this run's models.
func (n *tenant) published(t *testing.T, s shared, m *round.Machine) {
	t.Helper()
	all, err := checkpoints.List(t.Context(), s.store, n.rules.Run)
	if err != nil || len(all) < 2 {
		t.Errorf("%s: checkpoints %v, %v", n.opts.Manifest.Name, all, err)
	}
	got, err := checkpoints.Pull(t.Context(), s.store, t.TempDir(), checkpoints.PullOptions{Run: n.rules.Run})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range m.Past() {
		if uint64(f.Round)+1 == got.Manifest.Round {
			found = got.Manifest.StateRoot == f.Root && got.Manifest.ModelRoot == f.Receipt.Model
		}
	}
	if !found {
		t.Errorf("%s: the checkpoint before round %d is of no model on the record", n.opts.Manifest.Name, got.Manifest.Round)
	}
}

// Two runs at once, by the same people on the same machine, one paid and one by
// volunteers: both go on, also after all were stopped and started again, and what
// each leaves is sound by itself.
func TestTwoRunsShareAMachine(t *testing.T) {
	dir := t.TempDir()
	s := shared{dir: dir}
	var err error
	if s.store, err = checkpoints.OpenDir(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	if s.file, err = journal.Open(filepath.Join(dir, "record.db")); err != nil {
		t.Fatal(err)
	}
	runs := []*tenant{
		s.tenant(t, "paid", func(*protocol.Manifest) {}),
		s.tenant(t, "volunteers", func(m *protocol.Manifest) {
			m.Economy.Ledger, m.Economy.Emission = protocol.LedgerVolunteer, 0
		}),
	}
	ctx, cancel := context.WithTimeout(t.Context(), hung)
	defer cancel()
	for _, rounds := range []uint64{3, 6} {
		g, ctx := errgroup.WithContext(ctx)
		for _, n := range runs {
			g.Go(func() error { return n.live(ctx, s, rounds) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range runs {
		other := runs[1-i]
		for _, f := range n.final {
			for _, d := range []protocol.Digest{f.Receipt.Payload, f.Outcomes[0].Commit.Cipher} {
				if !n.blobs.Has(d) || other.blobs.Has(d) {
					t.Errorf("round %d of %s: payload here %v, with the other run %v", f.Round, n.opts.Manifest.Name, n.blobs.Has(d), other.blobs.Has(d))
				}
			}
		}
	}
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	if s.file, err = journal.Open(filepath.Join(dir, "record.db")); err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	for _, n := range runs {
		n.verify(t, s)
	}
}
