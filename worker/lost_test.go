package worker

// This file tests what becomes of a round whose engine is lost: the same as of one
// whose engine is not.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine"
	"lode/engine/enginetest"
	"lode/engine/torch"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// campaign plays rounds whose verdicts and rosters differ, and returns what was sent
// and kept.
func campaign(t *testing.T, cfg Config, out *outside) (story string) {
	t.Helper()
	tr, err := start(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	judge, err := replica.NewModel(cfg.Rules)
	if err != nil {
		t.Fatal(err)
	}
	act := func(k task) *sent {
		t.Helper()
		if err := tr.insist(t.Context(), func() error { return tr.do(t.Context(), k) }); err != nil {
			t.Fatal(err)
		}
		story += fmt.Sprintf("%d %x\n", k.round, protocol.Sum(out.files[stateFile]))
		return tr.sent
	}
	end := func(s *sent, reason protocol.Reason) { finished(t, tr, judge, out, s, reason) }
	end(act(taskOf(0, 1)), protocol.OK)
	end(act(taskOf(1, 2)), protocol.NoImprovement)
	s := act(taskOf(2, 3))
	end(s, protocol.OK) // nothing is trained in round 3
	s.task.round = 3
	end(s, protocol.OK)
	act(taskOf(4, 4))
	act(taskOf(4, 5)) // another roster
	for _, c := range out.commits {
		story += fmt.Sprintf("%x\n", protocol.Encode(c))
	}
	if start := valuesOf(t, tr, tr.start); !tr.placed || !slices.Equal(start, tr.model.Params) {
		t.Error("the engine begins with other parameters than the model's")
	}
	return story + fmt.Sprint(valuesOf(t, tr, tr.residual)[:50])
}

// finished ends a round in which what was sent is all that is merged.
func finished(t *testing.T, tr *trainer, judge *replica.Model, out *outside, s *sent, reason protocol.Reason) {
	t.Helper()
	merged, err := judge.Merge([]aggregation.Contribution{{Update: s.update, Clip: gradient.Unclipped}})
	if err != nil {
		t.Fatal(err)
	}
	wire := merged.Step.Wire()
	rc := protocol.Receipt{Round: s.task.round, Step: merged.Plain, Model: merged.Model, Outer: merged.State, Payload: protocol.Sum(wire)}
	out.payloads[rc.Payload] = wire
	if err := judge.Adopt(merged, rc); err != nil {
		t.Fatal(err)
	}
	sum := tr.over(s, reason, gradient.Unclipped)
	sum.Receipt = rc
	tr.finish([]round.Summary{*sum})
}

// An engine whose parameters are not those of the receipt is found, and begins anew with
// the model's.
func TestEngineIsHeldToReceipt(t *testing.T) {
	out := newOutside()
	cfg := config(t, out)
	tr := begin(t, cfg)
	judge, err := replica.NewModel(cfg.Rules)
	if err != nil {
		t.Fatal(err)
	}
	finished(t, tr, judge, out, do(t, tr, taskOf(0, 1)), protocol.OK)
	if err := tr.start.WriteChunk(tensor.Chunk{Offset: 3, Len: 1}, []float32{0.5}); err != nil {
		t.Fatal(err)
	}
	if err := tr.catchUp(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "in the engine") || tr.model.Next != 0 {
		t.Fatalf("before round %d: %v", tr.model.Next, err)
	}
	do(t, tr, taskOf(1, 2))
	if !slices.Equal(valuesOf(t, tr, tr.start), tr.model.Params) || !slices.Equal(tr.model.Params, judge.Params) {
		t.Error("the engine begins with other parameters than the model's")
	}
}

// start is begin, where loading may fail.
func start(t *testing.T, cfg Config) (*trainer, error) {
	t.Helper()
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w.trainer, w.trainer.load(t.Context())
}

// sentOf is what a campaign sent and was left with: its story without the state files.
func sentOf(story string) string {
	lines := strings.Split(story, "\n")
	return strings.Join(lines[5:], "\n")
}

// Whatever call an engine is lost at, and whether its state was kept then or rounds before, what
// is sent and kept is the same.
func TestLostEngine(t *testing.T) {
	every := 1
	play := func(at, again int) (string, *enginetest.Fragile) {
		out := newOutside()
		cfg := config(t, out)
		cfg.Every = every
		fragile, err := enginetest.NewFragile(engineOf(t, cfg.Rules), at)
		if err != nil {
			t.Fatal(err)
		}
		fragile.Again = again
		cfg.Engine = fragile
		return campaign(t, cfg, out), fragile
	}
	steadily, _ := play(0, 0)
	numChunks := 2 * config(t, newOutside()).Rules.Layout.NumChunks()
	for _, every = range []int{1, 3} {
		stride := 7 * every // no divisor of what repeats
		if testing.Short() {
			stride *= 6
		}
		want, whole := play(0, 0)
		if every > 1 && (want == steadily || sentOf(want) != sentOf(steadily)) {
			t.Fatalf("a state for every %d rounds: sent and kept\n%s\nwant\n%s", every, want, steadily)
		}
		// The first two calls make vectors: there is nothing yet to go on with.
		for at := 3; at <= whole.Calls-numChunks; at += stride { // the last calls are the test's own
			got, fragile := play(at, 0)
			if fragile.Lost != 1 {
				t.Fatalf("call %d: lost %d times", at, fragile.Lost)
			}
			if got != want {
				t.Fatalf("call %d of %d: sent and kept\n%s\nwant\n%s", at, whole.Calls, got, want)
			}
		}
		again := 150 * every // so that it comes to the next state
		if got, fragile := play(150, again); got != want || fragile.Lost < 2 {
			t.Errorf("lost %d times: sent and kept\n%s\nwant\n%s", fragile.Lost, got, want)
		}
	}
}

// killing kills the engine's process in the middle of a round, once.
type killing struct {
	Duties
	t *testing.T
	e *torch.Engine
}

func (k *killing) Batches(ctx context.Context, r protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		n := 0
		for b, err := range k.Duties.Batches(ctx, r, seed, workers, worker) {
			if n++; n == 2 && k.e != nil {
				p, err := os.FindProcess(k.e.ProcessID())
				if err == nil {
					err = p.Kill()
				}
				if k.e = nil; err != nil {
					k.t.Error(err)
				}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// A worker whose engine's process is killed within a round makes the same of it.
func TestPythonKilledMidRound(t *testing.T) {
	python := os.Getenv("LODE_PYTHON")
	if python == "" {
		t.Skip("A WORKER'S ENGINE IN PYTHON IS NOT CHECKED: LODE_PYTHON names no Python with numpy (see make python)")
	}
	play := func(kill bool) string {
		out := newOutside()
		cfg := config(t, out)
		e, err := torch.New(cfg.Rules.Model, torch.Options{Python: python, Numpy: true, Frozen: cfg.Rules.Frozen})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		cfg.Engine = e
		duties := &killing{Duties: cfg.Duties, t: t}
		if kill {
			duties.e = e
		}
		cfg.Duties = duties
		story := campaign(t, cfg, out)
		if kill && duties.e != nil {
			t.Error("nothing was killed")
		}
		return story
	}
	if got, want := play(true), play(false); got != want {
		t.Errorf("sent and kept\n%s\nwant\n%s", got, want)
	}
}

// An engine that is lost again and again ends the worker, in words; one that cannot
// come back does at once.
func TestEngineStaysLost(t *testing.T) {
	cfg := config(t, newOutside())
	fragile, err := enginetest.NewFragile(engineOf(t, cfg.Rules), 40)
	if err != nil {
		t.Fatal(err)
	}
	fragile.Again = 30
	var log bytes.Buffer
	cfg.Engine, cfg.Log = fragile, zerolog.New(&log)
	tr := begin(t, cfg)
	synctest.Test(t, func(t *testing.T) {
		err := tr.insist(context.Background(), func() error { return tr.do(context.Background(), taskOf(0, 1)) })
		if !errors.Is(err, engine.ErrLost) || fragile.Lost != 7 {
			t.Errorf("lost %d times: %v", fragile.Lost, err)
		}
	})
	if n := strings.Count(log.String(), "the engine is lost, starting it again"); n != 6 {
		t.Errorf("%d warnings: %s", n, log.String())
	}
	cfg.Engine = struct{ engine.Engine }{fragile}
	if _, err := start(t, cfg); !errors.Is(err, engine.ErrLost) {
		t.Errorf("an engine that cannot come back: %v", err)
	}
}
