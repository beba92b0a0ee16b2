package validator

// This file tests what is measured of candidates, and with what.

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/validator/score"
)

// letters are batches that depend on what they are drawn from.
type letters struct{}

func (letters) draw(seed protocol.Digest, rows int) (engine.Batch, error) {
	rng := rand.New(rand.NewChaCha8(seed))
	ids := make([]int32, rows*8)
	for i := range ids {
		ids[i] = rng.Int32N(64)
	}
	return engine.Tokens(rows, 8, ids, ids), nil
}

func (l letters) Sample(_ context.Context, seed protocol.Digest, rows int) (engine.Batch, error) {
	return l.draw(seed, rows)
}

func (l letters) HeldOut(_ context.Context, seed protocol.Digest, rows int) (engine.Batch, error) {
	return l.draw(seed, rows)
}

func (l letters) Examine(_ context.Context, _ protocol.Digest, _, _ int, seed protocol.Digest, rows int) (engine.Batch, error) {
	return l.draw(seed, rows)
}

// Whatever call an engine is lost at, the sheet is the same.
func TestLostEngine(t *testing.T) {
	var want protocol.Body
	calls := 0
	for at := 0; at <= calls; at += 5 {
		j, s := newTestJudge(t)
		j.cfg.Text = letters{}
		e, err := cpu.New(j.cfg.Rules.Model, cpu.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		fragile, err := enginetest.NewFragile(e, at)
		if err != nil {
			t.Fatal(err)
		}
		j.cfg.Engine = fragile
		r := &round.Round{Eval: protocol.Digest{5}, Audit: []int{0}, Examine: []int{1}}
		for n := range byte(2) {
			entry, _ := s.entry(t, j.cfg.Rules, 10+n)
			r.Entries = append(r.Entries, entry)
			r.Candidates = append(r.Candidates, score.Candidate{Worker: entry.Worker})
			r.Clips = append(r.Clips, gradient.Unclipped)
		}
		got, err := j.insist(t.Context(), task{duty: duty{kind: protocol.KindSheetCommit}, round: r})
		if err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			want, calls = got, fragile.Calls
		} else if got != want || fragile.Lost != 1 {
			t.Fatalf("lost %d times, at call %d of %d: another sheet", fragile.Lost, at, calls)
		}
	}
	if calls < 50 {
		t.Fatalf("only %d calls", calls)
	}
}

// distant is an engine whose vectors are elsewhere.
type distant struct {
	*enginetest.Able
	copied, subtracted int
}

func (d *distant) Params() engine.Vector { return distantVector{d.Able.Params(), d} }

func (d *distant) NewVector() (engine.Vector, error) {
	v, err := d.Able.NewVector()
	return distantVector{v, d}, err
}

type distantVector struct {
	engine.Vector
	of *distant
}

func (v distantVector) Subtract(u gradient.Vector, clip gradient.Clip) error {
	v.of.subtracted++
	return engine.Subtract(v.of.Layout(), v.Vector, u, clip)
}

func (v distantVector) Copy(from tensor.Reader) error {
	if _, ok := from.(distantVector); !ok {
		return errors.ErrUnsupported
	}
	v.of.copied++
	return tensor.Copy(v.of.Layout(), v.Vector, from)
}

func (v distantVector) Root(l tensor.Layout) ([32]byte, error) { return tensor.Root(l, v.Vector) }

func (v distantVector) Pull(tensor.Reader, float32) error { return errors.ErrUnsupported }

// Every measurement is there, and each first-order one is that of its definition.
// An engine that multiplies is asked to, and the sheet stays the same.
func TestScore(t *testing.T) {
	j, s := newTestJudge(t)
	j.cfg.Text, j.cfg.Rules.Manifest.Score.Project = letters{}, 1
	e, err := cpu.New(j.cfg.Rules.Model, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	r := &round.Round{Eval: protocol.Digest{5}, Audit: []int{0}, Examine: []int{1}}
	var updates []*gradient.Update
	for n := range byte(3) {
		entry, u := s.entry(t, j.cfg.Rules, 10+n)
		r.Entries = append(r.Entries, entry)
		r.Candidates = append(r.Candidates, score.Candidate{Worker: entry.Worker})
		r.Clips = append(r.Clips, gradient.Unclipped/gradient.Clip(1+n))
		updates = append(updates, u)
	}
	_, step := s.entry(t, j.cfg.Rules, 20)
	j.keep(&round.Summary{}, nil, nil, step)

	j.cfg.Engine = e
	plain, err := j.score(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	able := &enginetest.Able{Engine: e}
	j.cfg.Engine = able
	again, err := j.score(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest(j.me) != plain.Digest(j.me) || able.Multiplied != 2+len(r.Examine) {
		t.Errorf("another sheet with abilities, which were used %d times", able.Multiplied)
	}
	far := &distant{Able: &enginetest.Able{Engine: e}}
	j.cfg.Engine = far
	if again, err = j.score(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if again.Digest(j.me) != plain.Digest(j.me) || far.subtracted != len(r.Audit) || far.copied != 2+len(r.Audit) {
		t.Errorf("another sheet with vectors elsewhere, of which %d were copied and %d changed", far.copied, far.subtracted)
	}
	j.cfg.Engine = able
	j.cfg.Scratch, j.updates = replica.ScratchIn(t.TempDir()), nil
	if again, err = j.score(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, u := range j.updates {
		if _, ok := u.(*gradient.Stored); !ok {
			t.Errorf("an update lies in memory: %T", u)
		}
	}
	if again.Digest(j.me) != plain.Digest(j.me) {
		t.Error("another sheet of updates that lie in a file")
	}

	batch, _ := letters{}.draw(r.Eval, int(j.cfg.Rules.Manifest.Score.Rows))
	if _, err := j.gradient(batch); err != nil {
		t.Fatal(err)
	}
	dot := func(v gradient.Vector) float64 {
		d, err := gradient.Dot(v, e.Grad())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	square, err := gradient.DotVectors(step, step)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range updates {
		both, err := gradient.DotVectors(u, step)
		if err != nil {
			t.Fatal(err)
		}
		novel := score.Novel(dot(u), []float64{dot(step)}, []float64{both}, [][]float64{{square}})
		want, _ := protocol.ToNanoNats(novel * clipped(r.Clips[i]))
		row := plain.Rows[i]
		if row.First != want || want == 0 || row.Audited != slices.Contains(r.Audit, i) || row.Examined != slices.Contains(r.Examine, i) {
			t.Errorf("row %d is %+v, want a first-order score of %d", i, row, want)
		}
		if (row.Paired != 0) != row.Audited || (row.Work != 0) != row.Examined {
			t.Errorf("row %d is %+v", i, row)
		}
	}
}

// More candidates than are read at a time: each is compared with all that came before
// it, and with nothing else.
func TestOverlaps(t *testing.T) {
	j, s := newTestJudge(t)
	draw := func(n int) *gradient.Update {
		_, u := s.entry(t, j.cfg.Rules, byte(n))
		return u
	}
	var past []gradient.Vector
	for n := range 2 {
		u, step := draw(n), draw(10+n)
		j.keep(&round.Summary{}, []aggregation.Contribution{{Update: u}}, nil, step)
		past = append(past, u, step)
	}
	pile := replica.NewPile(replica.ScratchIn(t.TempDir()))
	t.Cleanup(func() { _ = pile.Close() })
	var listed []gradient.Vector
	var updates []aggregation.Source
	for n := range 2*readAtOnce + 5 {
		seed := 20 + n
		switch n {
		case 3:
			seed = 1 // of the memory
		case 9, readAtOnce, 2*readAtOnce + 4:
			seed = 20 + n/2 // of another place, in the group or before it
		}
		u := draw(seed)
		at, err := pile.Add(u)
		if err != nil {
			t.Fatal(err)
		}
		listed, updates = append(listed, u), append(updates, at)
	}
	rows := make([]protocol.Row, len(updates))
	for at := 0; at < len(updates); at += readAtOnce {
		end := min(at+readAtOnce, len(updates))
		group, err := whole(updates[at:end])
		if err != nil {
			t.Fatal(err)
		}
		if err := j.overlaps(group, updates[:end], rows[at:end]); err != nil {
			t.Fatal(err)
		}
	}
	repeats := 0
	for i, u := range listed {
		want := uint32(0)
		for _, v := range slices.Concat(past, listed[:i]) {
			share, err := gradient.Overlap(u, v)
			if err != nil {
				t.Fatal(err)
			}
			want = max(want, uint32(share))
		}
		if rows[i].Overlap != want {
			t.Errorf("candidate %d: %d, want %d", i, rows[i].Overlap, want)
		}
		if want == 1<<16-1 {
			repeats++
		}
	}
	if repeats != 4 {
		t.Errorf("%d candidates repeat another, want 4", repeats)
	}
}

// Where a round's updates are not to be had its step leads on, and is remembered; and
// places of a round follow from the step before or are not known.
func TestStepsAreRemembered(t *testing.T) {
	j, s := newTestJudge(t)
	entry, u := s.entry(t, j.cfg.Rules, 9)
	delete(s.held, entry.Commit.Cipher)
	m, err := j.model.Merge([]aggregation.Contribution{{Update: u, Clip: gradient.Unclipped}})
	if err != nil {
		t.Fatal(err)
	}
	wire := m.Step.Wire()
	s.held[protocol.Sum(wire)] = wire
	sum := &round.Summary{
		Outcomes: []round.Outcome{{Worker: entry.Worker, Commit: entry.Commit, Key: entry.Key, Verdict: score.Verdict{Clip: gradient.Unclipped}}},
		Receipt:  protocol.Receipt{Step: m.Plain, Payload: protocol.Sum(wire), Size: uint64(len(wire)), Model: m.Model, Outer: m.State},
	}
	if err := j.conclude(t.Context(), sum, 0); err != nil || j.model.Next != 1 {
		t.Fatalf("the model is before round %d: %v", j.model.Next, err)
	}
	if len(j.memory) != 1 || len(j.memory[0].updates) != 0 || protocol.Sum(j.passed.Plain()) != m.Plain {
		t.Errorf("remembered: %+v", j.memory)
	}
	if j.remember(t.Context(), sum, true); len(j.memory) != 2 || j.passed == nil {
		t.Errorf("remembered without updates: %+v", j.memory)
	}
	delete(s.held, sum.Receipt.Payload)
	if j.remember(t.Context(), sum, true); len(j.memory) != 2 || j.passed != nil {
		t.Errorf("remembered without a step: %+v", j.memory)
	}
}

// counted counts the files that are open.
type counted struct {
	replica.ScratchFile
	open *int
}

func (c counted) Close() error { *c.open--; return c.ScratchFile.Close() }

// Files of updates are given up with the rounds they belong to.
func TestPilesAreClosed(t *testing.T) {
	j, s := newTestJudge(t)
	scratch, open := replica.ScratchIn(t.TempDir()), 0
	j.cfg.Scratch = func() (replica.ScratchFile, error) {
		open++
		f, err := scratch()
		return counted{f, &open}, err
	}
	window := int(j.cfg.Rules.Manifest.Score.Window)
	for n := range 2 * window {
		entry, _ := s.entry(t, j.cfg.Rules, byte(10+n))
		r := &round.Round{Entries: []round.Entry{entry}, Candidates: []score.Candidate{{Worker: entry.Worker}}}
		for range 2 { // the second time what was opened first is of no use
			if _, err := j.attest(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		o := round.Outcome{Worker: entry.Worker, Commit: entry.Commit, Key: entry.Key, Verdict: score.Verdict{Clip: gradient.Unclipped}}
		sum := &round.Summary{Round: j.model.Next, Outcomes: []round.Outcome{o}}
		accepted, pile, err := j.accepted(t.Context(), sum)
		if err != nil || len(accepted) != 1 {
			t.Fatalf("%d updates, %v", len(accepted), err)
		}
		m, err := j.model.Merge(accepted)
		if err != nil {
			t.Fatal(err)
		}
		j.updates, j.pile = nil, nil
		j.keep(sum, accepted, pile, m.Step)
		if want := min(n+1, window); open != want {
			t.Fatalf("round %d: %d files are open, want %d", n, open, want)
		}
	}
	if j.forget(); open != 0 {
		t.Errorf("%d files are open in the end", open)
	}
}
