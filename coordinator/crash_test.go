package coordinator_test

// This file tests that a coordinator may be killed at any write of its journal.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/checkpoints"
	"lode/coordinator"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
	"lode/yuma/ledger"
)

var errCrash = errors.New("crash")

// memory is a journal whose process dies at a chosen Append.
type memory struct {
	entries [][]byte
	appends int  // calls so far
	crash   int  // call that does not return, 0 for none
	written bool // the entries of that call are on disk all the same
}

func (m *memory) Len() uint64 { return uint64(len(m.entries)) }

func (m *memory) Append(entries [][]byte) error {
	m.appends++
	if m.appends != m.crash || m.written {
		m.entries = append(m.entries, entries...)
	}
	if m.appends == m.crash {
		return errCrash
	}
	return nil
}

func (m *memory) Read(from uint64, most int) ([][]byte, error) {
	from = min(from, m.Len())
	return slices.Clone(m.entries[from:min(m.Len(), from+uint64(most))]), nil
}

// locked is a memory that many goroutines may read.
type locked struct {
	*memory
	turn chan struct{}
}

func newLocked(m *memory) locked { return locked{m, make(chan struct{}, 1)} }

func (l locked) Len() uint64 {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.memory.Len()
}

func (l locked) Append(entries [][]byte) error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.memory.Append(entries)
}

func (l locked) Read(from uint64, most int) ([][]byte, error) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.memory.Read(from, most)
}

func payloads(t testing.TB, r *replica.Rules, dir string) *checkpoints.Blobs {
	t.Helper()
	b, err := checkpoints.OpenBlobs(dir, r.Run, 1<<20, 1<<26)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// played is what a run left.
type played struct {
	machine *round.Machine
	rounds  []round.Summary
	lives   int // of the coordinator
	told    map[protocol.Digest]bool
	record  map[protocol.Digest]bool
	archive *shelf
	blocks  []ledger.Block
}

// play runs puppets for so many rounds, with a new coordinator on the same
// journal whenever one dies.
func play(t testing.TB, r *replica.Rules, j *memory, rounds uint64) played {
	t.Helper()
	ctx, cancel := context.WithCancel(withDeadline(t, 20*time.Second))
	defer cancel()
	at, journal, blobs := new(place), newLocked(j), payloads(t, r, t.TempDir())
	at.move(nil, nil)
	out := played{told: map[protocol.Digest]bool{}, record: map[protocol.Digest]bool{}, archive: new(shelf)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for ctx.Err() == nil {
			c, err := coordinator.New(coordinator.Config{
				Key: coordinatorKey, Rules: r, Journal: journal, Payloads: blobs, Archive: out.archive, Log: zerolog.Nop(),
			})
			if err != nil {
				return err
			}
			out.lives++
			life, end := context.WithCancel(ctx)
			at.move(c, life)
			err = c.Run(ctx)
			end()
			if err != nil && !errors.Is(err, errCrash) {
				return err
			}
		}
		return nil
	})
	var puppets []*puppet
	for _, k := range workerKeys {
		puppets = append(puppets, newPuppet(r, at, k, false))
	}
	for _, k := range validatorKeys {
		puppets = append(puppets, newPuppet(r, at, k, true))
	}
	for _, p := range puppets {
		g.Go(func() error { return p.run(ctx, rounds) })
	}
	if err := g.Wait(); !errors.Is(err, errEnough) {
		out.replay(t, r, j)
		phase, deadline := out.machine.Phase()
		t.Fatalf("the run stands still: %v; crash at append %d of %d, %d lives, round %d %v until %d, waiting for %d",
			err, j.crash, j.appends, out.lives, out.machine.Current().Number, phase, deadline, len(out.machine.Waiting()))
	}
	for _, p := range puppets {
		for _, d := range p.told {
			out.told[d] = true
		}
	}
	out.replay(t, r, j)
	return out
}

// replay rebuilds what the journal says.
func (p *played) replay(t testing.TB, r *replica.Rules, j *memory) {
	t.Helper()
	rep := round.NewReplica(r.Manifest)
	for _, b := range j.entries {
		effects, err := rep.Feed(b)
		if err != nil {
			t.Fatalf("the record breaks: %v", err)
		}
		for _, e := range effects {
			switch e := e.(type) {
			case round.Sealed:
				p.blocks = append(p.blocks, e.Block)
			case round.Merged:
				p.rounds = append(p.rounds, e.Summary)
			}
		}
	}
	for _, ev := range events(t, r, j) {
		if m, ok := ev.(protocol.Message); ok {
			p.record[m.Digest()] = true
		}
	}
	p.machine = rep.Machine
}

// events returns what the journal's entries say.
func events(t testing.TB, r *replica.Rules, j *memory) (out []protocol.Event) {
	t.Helper()
	chain := protocol.Chain{Run: r.Run, Coordinator: r.Manifest.Coordinator}
	for _, b := range j.entries {
		var e protocol.Entry
		if err := protocol.Decode(b, &e); err != nil {
			t.Fatal(err)
		}
		ev, err := chain.Accept(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ev)
	}
	return out
}

// check compares a run that crashed with one that did not.
func (p *played) check(want *played) error {
	for d := range p.told {
		if !p.record[d] {
			return fmt.Errorf("message %s was acknowledged and is not on the record", d.Short())
		}
	}
	for i, s := range p.rounds {
		if i > 0 && (s.Receipt.StateRoot != p.rounds[i-1].Root || s.Receipt.Parent != p.rounds[i-1].Receipt.Digest()) {
			return fmt.Errorf("round %d does not continue round %d", s.Round, i-1)
		}
		if s.Round != protocol.Round(i) {
			return fmt.Errorf("round %d follows round %d", s.Round, i-1)
		}
	}
	for _, k := range workerKeys {
		if p.machine.Holding(idOf(k)).Balance == 0 {
			return errors.New("a worker was paid nothing")
		}
		accepted, refused := p.machine.Record(idOf(k))
		if accepted != p.machine.Counts().Rounds || refused != 0 {
			return fmt.Errorf("an update was lost: %d accepted, %d refused in %d rounds", accepted, refused, p.machine.Counts().Rounds)
		}
		if i := min(len(p.rounds), len(want.rounds)); len(p.rounds) == len(want.rounds) {
			if got, want := p.machine.Holding(idOf(k)), want.machine.Holding(idOf(k)); got != want {
				return fmt.Errorf("after %d rounds a worker holds %+v, without a crash %+v", i, got, want)
			}
		}
	}
	if err := p.archive.follow(*p.machine.Manifest(), p.blocks); err != nil {
		return err
	}
	return p.machine.Ledger().Audit()
}

// I3: a crash at any write of the journal, whether what was written is there
// afterwards or not, loses nothing that anybody was told, pays nobody twice, and
// the run goes on in the same round.
func TestCrashAtEveryAppend(t *testing.T) {
	const rounds = 3
	r := rules(t)
	whole := play(t, r, new(memory), rounds)
	if err := whole.check(&whole); err != nil || whole.lives != 1 {
		t.Fatalf("without a crash: %v, %d lives", err, whole.lives)
	}
	step := 1
	if testing.Short() {
		step = 11
	}
	for _, written := range []bool{false, true} {
		t.Run(map[bool]string{false: "not written", true: "written, not told"}[written], func(t *testing.T) {
			runs := 0
			for k := 1; ; k += step {
				j := &memory{crash: k, written: written}
				p := play(t, r, j, rounds)
				if err := p.check(&whole); err != nil {
					t.Errorf("crash at append %d: %v", k, err)
				}
				if j.appends < k {
					break
				}
				if p.lives != 2 {
					t.Errorf("crash at append %d: %d lives", k, p.lives)
				}
				runs++
			}
			if least := 20 / step; runs < least {
				t.Errorf("only %d appends were tried", runs)
			}
		})
	}
}
