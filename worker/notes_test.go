package worker

// This file tests the rounds that are made again after a restart.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"lode/engine"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
)

// A state is due where there is none, where the engine is not where a note would find it, and
// as often as it may take a fiftieth of the time.
func TestStateIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		some := states{base: protocol.Digest{1}, took: time.Second, when: time.Now(), notes: 1}
		with := func(change func(*states)) *states { s := some; change(&s); return &s }
		time.Sleep(49 * time.Second)
		for name, c := range map[string]struct {
			s     *states
			every int
			due   bool
		}{
			"early":            {&some, 0, false},
			"none yet":         {with(func(s *states) { s.base = protocol.Digest{} }), 9, true},
			"torn":             {with(func(s *states) { s.torn = true }), 9, true},
			"many notes":       {with(func(s *states) { s.notes = maxNotes }), 999, true},
			"of unknown cost":  {with(func(s *states) { s.took = 0 }), 0, true},
			"cheap":            {with(func(s *states) { s.took = 980 * time.Millisecond }), 0, true},
			"every second":     {&some, 2, true},
			"every third":      {&some, 3, false},
			"of every session": {with(func(s *states) { s.notes = 0 }), 1, true},
		} {
			if got := c.s.due(c.every); got != c.due {
				t.Errorf("%s: due %v", name, got)
			}
		}
		time.Sleep(time.Second)
		if !some.due(0) {
			t.Error("late: not due")
		}
	})
}

// cutting ends training at the n-th batch from now on, once.
type cutting struct {
	Duties
	n int
}

var errCut = errors.New("cut")

func (c *cutting) Batches(ctx context.Context, r protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		for b, err := range c.Duties.Batches(ctx, r, seed, workers, worker) {
			if c.n--; c.n == 0 {
				err = errCut
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// noting is a worker whose state is of round 0, with notes of rounds 1 and 2; then it is
// killed. Judge knows the model.
func noting(t *testing.T) (cfg Config, out *outside, tr *trainer, judge *replica.Model) {
	out = newOutside()
	cfg = config(t, out)
	cfg.Every = 4
	tr = begin(t, cfg)
	judge, err := replica.NewModel(cfg.Rules)
	if err != nil {
		t.Fatal(err)
	}
	for n := range protocol.Round(3) {
		if s := do(t, tr, taskOf(n, byte(n))); n < 2 {
			finished(t, tr, judge, out, s, protocol.OK)
		}
	}
	if tr.states.notes != 2 || len(out.files) != 3 {
		t.Fatalf("%d notes, %d files", tr.states.notes, len(out.files))
	}
	return cfg, out, tr, judge
}

// after starts a killed worker again and gives it the rounds that are over.
func after(t *testing.T, cfg Config, tr *trainer) *trainer {
	t.Helper()
	cfg.Engine = engineOf(t, cfg.Rules)
	again := begin(t, cfg)
	again.finish(tr.since)
	return again
}

// A killed worker sends what it has sent at once, and then makes its rounds again, also if it
// is cut short within one of them.
func TestRoundsAreMadeAgain(t *testing.T) {
	cfg, out, tr, judge := noting(t)
	cut := &cutting{Duties: cfg.Duties}
	for _, n := range []int{0, 1, 2, 3, 4} {
		files := map[string][]byte{}
		for name, b := range out.files {
			files[name] = slices.Clone(b)
		}
		commits := len(out.commits)
		cfg.Duties = cut
		again := after(t, cfg, tr)
		for cut.n = n; ; {
			err := again.do(t.Context(), taskOf(2, 2))
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			if len(out.commits) == commits {
				t.Errorf("cut at batch %d: nothing was sent before rounds were made again", n)
			}
		}
		if n := len(out.commits); n == commits || out.commits[n-1] != tr.sent.commit {
			t.Errorf("cut at batch %d: what was sent is not sent again", n)
		}
		if again.sent.commit != tr.sent.commit || !slices.Equal(valuesOf(t, again, again.residual), valuesOf(t, tr, tr.residual)) {
			t.Errorf("cut at batch %d: a killed worker is left with something else", n)
		}
		var was, is bytes.Buffer
		if err := errors.Join(tr.cfg.Engine.WriteState(&was), again.cfg.Engine.WriteState(&is)); err != nil || !bytes.Equal(was.Bytes(), is.Bytes()) {
			t.Errorf("cut at batch %d: the optimizer is elsewhere (%v)", n, err)
		}
		out.files = files
	}
	// What comes after differs in nothing either.
	again := after(t, cfg, tr)
	finished(t, tr, judge, out, tr.sent, protocol.OK)
	again.finish(tr.final)
	one := do(t, again, taskOf(3, 3))
	if two := do(t, tr, taskOf(3, 3)); one.commit != two.commit || again.states.notes != 3 || len(out.files) != 4 {
		t.Errorf("another update, or %d notes and %d files", again.states.notes, len(out.files))
	}
}

// other is an engine that computes otherwise.
type other struct{ engine.Engine }

func (o other) Step(b engine.Batch, h engine.Hyper) (float64, error) {
	h.Rate *= 1.001
	return o.Engine.Step(b, h)
}

// If training is not repeated to the last bit, what was sent stands: it is that which is taken
// out of what was made.
func TestWhatWasSentStands(t *testing.T) {
	cfg, _, tr, _ := noting(t)
	var log bytes.Buffer
	cfg.Log = zerolog.New(&log)
	cfg.Engine = other{engineOf(t, cfg.Rules)}
	again := begin(t, cfg)
	again.finish(tr.since)
	if err := again.do(t.Context(), taskOf(2, 2)); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "what was sent stands") == 0 {
		t.Errorf("nothing is said: %s", log.String())
	}
	a := valuesOf(t, again, again.residual)
	if again.sent.commit != tr.sent.commit || slices.Equal(a, valuesOf(t, tr, tr.residual)) {
		t.Fatal("another commit, or the same residual")
	}
	if err := again.settle(again.over(again.sent, protocol.OK, gradient.Unclipped)); err != nil {
		t.Fatal(err)
	}
	for c := range cfg.Rules.Layout.Chunks() {
		tr.sent.update.SubtractFrom(c, gradient.Unclipped, a[c.Offset:c.Offset+c.Len])
	}
	if !slices.Equal(valuesOf(t, again, again.residual), a) {
		t.Error("something else was taken out")
	}
}

// A note that is damaged, or continues another state, ends the notes; behind the first of these
// none is written.
func TestNotesThatAreNone(t *testing.T) {
	cfg, out, _, _ := noting(t)
	good := out.files[noteFile(1)]
	for name, b := range map[string][]byte{
		"empty": {}, "half": good[:len(good)/2], "longer": append(slices.Clone(good), 0), "far too long": make([]byte, 1<<22),
		"flipped": append([]byte{good[0] ^ 1}, good[1:]...), "a state": out.files[stateFile],
	} {
		out.files[noteFile(1)] = b
		var log bytes.Buffer
		cfg.Log = zerolog.New(&log)
		if tr := begin(t, cfg); len(tr.again) != 0 || tr.sent == nil || !strings.Contains(log.String(), "an earlier note is of no use") {
			t.Errorf("%s: %d notes: %s", name, len(tr.again), log.String())
		} else if !tr.states.due(cfg.Every) {
			t.Errorf("%s: the next note would have the old second one after it", name)
		}
	}
	out.files[noteFile(1)] = good
	if tr := begin(t, cfg); fmt.Sprint(tr.again) != fmt.Sprint([]task{taskOf(1, 1), taskOf(2, 2)}) {
		t.Errorf("notes of %v", tr.again)
	}
	tr := begin(t, cfg)
	if _, err := tr.save(t.Context()); err != nil { // another optimizer's steps: not the same file
		t.Fatal(err)
	}
	state := slices.Clone(out.files[stateFile])
	tr.sent.commit.Tokens++
	if _, err := tr.save(t.Context()); err != nil || bytes.Equal(state, out.files[stateFile]) {
		t.Fatal("the same state", err)
	}
	if tr := begin(t, cfg); len(tr.again) != 0 || tr.states.base == (protocol.Digest{}) {
		t.Errorf("%d notes of another state", len(tr.again))
	}
}

// What could not be kept was not sent, and is not: who makes it again keeps a state, since no
// note says what else the engine was trained on.
func TestWhatIsNotKept(t *testing.T) {
	cfg, out, tr, _ := noting(t)
	state := slices.Clone(out.files[stateFile])
	commits := len(out.commits)
	tr.cfg.Files = &sink{outside: out} // without room
	if err := tr.do(t.Context(), taskOf(2, 9)); !errors.Is(err, errFull) || len(out.commits) != commits {
		t.Fatalf("%v, %d commits", err, len(out.commits)-commits)
	}
	tr.cfg.Files = out
	s := do(t, tr, taskOf(2, 9))
	if bytes.Equal(state, out.files[stateFile]) {
		t.Error("sent what is not kept")
	}
	again := after(t, cfg, tr)
	do(t, again, taskOf(2, 9))
	if again.sent.commit != s.commit || !slices.Equal(valuesOf(t, again, again.residual), valuesOf(t, tr, tr.residual)) {
		t.Error("a killed worker is left with something else")
	}
}

// What is made again is made to its end; the task itself then gives way to a newer one.
func TestNewerTaskAfterNotes(t *testing.T) {
	cfg, _, tr, _ := noting(t)
	again := after(t, cfg, tr)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	again.stop = cancel
	again.train(taskOf(3, 3))
	if err := again.do(ctx, taskOf(2, 9)); !errors.Is(err, context.Canceled) {
		t.Errorf("a task that is over was worked on (%v)", err)
	}
	if len(again.again) != 0 || again.model.Next != 2 {
		t.Errorf("%d rounds are still to be made, the model is before round %d", len(again.again), again.model.Next)
	}
}
