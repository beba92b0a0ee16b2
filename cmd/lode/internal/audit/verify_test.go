package audit_test

// This file tests sound runs: from disk, over a link, in any order of updates, on
// any number of cores, whole or in part.

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/cmd/lode/internal/audit"
	"lode/cmd/lode/internal/audit/audittest"
	"lode/cmd/lode/internal/models"
	"lode/coordinator/journal"
	"lode/protocol"
)

func openStore(t testing.TB) *checkpoints.Dir {
	t.Helper()
	s, err := checkpoints.OpenDir(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onDisk writes a run and opens it for an audit.
func onDisk(t testing.TB, r *audittest.Run, store checkpoints.Store) audit.Source {
	t.Helper()
	src, _ := onDiskIn(t, r, store)
	return src
}

// onDiskIn returns the folder of the payloads besides.
func onDiskIn(t testing.TB, r *audittest.Run, store checkpoints.Store) (src audit.Source, payloads string) {
	t.Helper()
	record, payloads := r.Write(t, t.TempDir())
	d, err := audit.OpenDisk(r.Manifest, audit.Paths{Record: record, Payloads: payloads, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d.Source, payloads
}

func verify(t *testing.T, src audit.Source, opt audit.Options) audit.Report {
	t.Helper()
	rep, err := audit.Verify(t.Context(), src, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// sound checks a report of a run of which nothing is missing.
func sound(t *testing.T, r *audittest.Run, rep audit.Report) {
	t.Helper()
	if !rep.Whole() || len(rep.Rounds) != len(r.Final) || rep.Entries != uint64(len(r.Entries)) {
		t.Fatalf("%d of %d rounds recomputed, %d of %d entries", rep.Recomputed, len(r.Final), rep.Entries, len(r.Entries))
	}
	var bytes int64
	updates := 0
	for i, s := range r.Final {
		got := rep.Rounds[i]
		if got.State != s.Root || got.Model != s.Receipt.Model || len(got.Missing) != 0 {
			t.Errorf("round %d: %+v", i, got)
		}
		for _, o := range s.Outcomes {
			if o.Verdict.Reason == protocol.OK {
				updates++
				bytes += int64(o.Commit.Size)
			}
		}
		bytes += int64(s.Receipt.Size)
	}
	if rep.Updates != updates || rep.Bytes != bytes || updates < 2*len(r.Final) || updates == 3*len(r.Final) {
		t.Errorf("%d updates in %d bytes, want %d in %d", rep.Updates, rep.Bytes, updates, bytes)
	}
	if pays := r.Manifest.Economy.Pays(); (rep.Supply.Emitted > 0) != pays || rep.Supply.Genesis != 2e12 || rep.Supply.Burned != 0 {
		t.Errorf("supply %+v", rep.Supply)
	}
}

func TestSoundRun(t *testing.T) {
	for name, c := range map[string]audittest.Config{
		"plain": {}, "momentum": {Momentum: true}, "shared places": {Shared: true}, "both": {Momentum: true, Shared: true}, "weighed": {Weighed: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := openStore(t)
			c.Rounds, c.Store = 4, store
			r := audittest.New(t, c)
			stages := map[audit.Stage]uint64{}
			rep := verify(t, onDisk(t, r, store), audit.Options{Progress: func(s audit.Stage, done, _ uint64) { stages[s] = done }})
			sound(t, r, rep)
			if len(rep.Checkpoints) != 2 || !rep.Checkpoints[0].Recomputed || rep.Checkpoints[1].Bytes != r.Saved[1].Size() {
				t.Errorf("checkpoints %+v", rep.Checkpoints)
			}
			if stages[audit.Entries] != rep.Entries || stages[audit.Rounds] != 4 || stages[audit.Checkpoints] != 2 {
				t.Errorf("progress %v", stages)
			}
			if b, err := json.Marshal(rep); err != nil || !strings.Contains(string(b), r.Final[3].Root.String()) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}

// I1: the same record gives the same bytes, whatever the order of updates and the
// number of cores.
func TestOrderAndCoresDoNotMatter(t *testing.T) {
	r := audittest.New(t, audittest.Config{Momentum: true})
	src := onDisk(t, r, nil)
	want := verify(t, src, audit.Options{}).Roots()
	if len(want) != 3 {
		t.Fatalf("%d state roots", len(want))
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := range 6 {
		runtime.GOMAXPROCS(i%2 + 1)
		rep := verify(t, src, audit.Options{Shuffle: uint64(i + 1)})
		if !slices.Equal(rep.Roots(), want) || !rep.Whole() {
			t.Errorf("seed %d on %d cores: %v, want %v", i+1, i%2+1, rep.Roots(), want)
		}
	}
}

func TestLiveRun(t *testing.T) {
	store := openStore(t)
	r := audittest.New(t, audittest.Config{Rounds: 5, Momentum: true, Store: store})
	o, err := models.Observe(t.Context(), r.Serve(t), models.Contact{Software: "audit test"})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	rep := verify(t, audit.Live(o), audit.Options{})
	sound(t, r, rep)
	if len(rep.Checkpoints) != 1 || rep.Checkpoints[0].Round != 4 {
		t.Errorf("checkpoints %+v", rep.Checkpoints)
	}
}

func TestRangeOfRounds(t *testing.T) {
	for name, config := range map[string]audittest.Config{
		"plain": {}, "momentum": {Momentum: true}, "momentum and shared places": {Momentum: true, Shared: true},
	} {
		store := openStore(t)
		config.Rounds, config.Store = 6, store
		r := audittest.New(t, config)
		for _, c := range []struct {
			name     string
			from, to *protocol.Round
			store    checkpoints.Store
			want     []protocol.Round
		}{
			{"from a checkpoint", new(protocol.Round(4)), nil, store, []protocol.Round{4, 5}},
			{"just after a checkpoint", new(protocol.Round(3)), new(protocol.Round(3)), store, []protocol.Round{3}},
			{"without checkpoints", new(protocol.Round(2)), new(protocol.Round(3)), nil, []protocol.Round{2, 3}},
			{"up to", nil, new(protocol.Round(1)), store, []protocol.Round{0, 1}},
			{"past the end", new(protocol.Round(5)), new(protocol.Round(99)), store, []protocol.Round{5}},
			{"none", new(protocol.Round(50)), nil, store, nil},
		} {
			t.Run(name+", "+c.name, func(t *testing.T) {
				rep := verify(t, onDisk(t, r, c.store), audit.Options{From: c.from, To: c.to})
				var got []protocol.Round
				for _, x := range rep.Rounds {
					got = append(got, x.Round)
				}
				if !slices.Equal(got, c.want) || !rep.Whole() {
					t.Errorf("rounds %v, want %v; %+v", got, c.want, rep)
				}
			})
		}
	}
}

// A run of volunteers is as sound as one that pays.
func TestVolunteers(t *testing.T) {
	store := openStore(t)
	r := audittest.New(t, audittest.Config{Rounds: 5, Volunteers: true, Store: store})
	sound(t, r, verify(t, onDisk(t, r, store), audit.Options{}))
	if !r.Final[3].EndsEpoch() || len(r.Final[3].Due) != 1 {
		t.Errorf("round 3 ended no epoch, or one that pays: %+v", r.Final[3].Due)
	}
	// Under the rules of a run that pays, the same record is another run's.
	src := onDisk(t, r, nil)
	src.Manifest.Economy.Ledger = protocol.LedgerYuma
	if _, err := audit.Verify(t.Context(), src, audit.Options{}); err == nil {
		t.Error("volunteers pass for a run that pays")
	}
}

func TestRunningCoordinatorHoldsTheRecord(t *testing.T) {
	r := audittest.New(t, audittest.Config{Rounds: 1})
	record, payloads := r.Write(t, t.TempDir())
	j, err := journal.Open(record)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	_, err = audit.OpenDisk(r.Manifest, audit.Paths{Record: record, Payloads: payloads})
	if err == nil || !strings.Contains(err.Error(), "verify over its link") {
		t.Fatalf("error %v", err)
	}
}

func TestOpenDiskMakesNothing(t *testing.T) {
	r := audittest.New(t, audittest.Config{Rounds: 1})
	dir := t.TempDir()
	record, payloads := r.Write(t, dir)
	for _, p := range []audit.Paths{
		{Record: filepath.Join(dir, "none.db"), Payloads: payloads},
		{Record: record, Payloads: filepath.Join(dir, "none")},
	} {
		if _, err := audit.OpenDisk(r.Manifest, p); err == nil {
			t.Errorf("%+v opened", p)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
	other := r.Manifest
	other.Name = "another"
	d, err := audit.OpenDisk(other, audit.Paths{Record: record, Payloads: payloads})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := audit.Verify(t.Context(), d.Source, audit.Options{}); err == nil || !strings.Contains(err.Error(), "holds no record of run") {
		t.Errorf("error %v", err)
	}
}

func TestAuditsThatCannotBeDone(t *testing.T) {
	r := audittest.New(t, audittest.Config{Rounds: 1})
	plain := func(err error, want string) {
		t.Helper()
		if _, ok := errors.AsType[*audit.Mismatch](err); ok || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q that blames nobody", err, want)
		}
	}
	src := inMemory(r)
	src.Record = entries(nil)
	_, err := audit.Verify(t.Context(), src, audit.Options{})
	plain(err, "never began")

	src = inMemory(r)
	src.Payloads = broken{errors.New("no route to host")}
	_, err = audit.Verify(t.Context(), src, audit.Options{})
	plain(err, "no route to host")

	src = inMemory(r)
	src.Manifest.Name = ""
	_, err = audit.Verify(t.Context(), src, audit.Options{})
	plain(err, "name")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = audit.Verify(ctx, inMemory(r), audit.Options{})
	plain(err, "canceled")
}

// broken fails to fetch anything.
type broken struct{ err error }

func (b broken) Fetch(context.Context, protocol.Digest, int64) ([]byte, error) { return nil, b.err }
