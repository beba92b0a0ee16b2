package solo

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"lode/checkpoints"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/engine/torch"
	"lode/protocol"
)

// kept is what a whole course leaves: its curve, model and state.
type kept struct {
	curve        []Point
	model, state []byte
}

func courseOf(t *testing.T, s stage, cfg Config) kept {
	t.Helper()
	tr := trainer(t, cfg, 0)
	dir := t.TempDir()
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = Course{
		Trainer: tr, Rounds: 4, Measure: 2, Keep: 2, HeldOut: sampleOf(t, s),
		Measured: func(p Point) error { p.Speed = 0; return f.Add(t.Context(), p) },
		Kept:     func() error { return f.Keep(t.Context(), tr) },
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return kept{f.Curve(), read(checkpoints.ModelFile), read(StateFile)}
}

// TestLostEngine: wherever an engine is lost, a course ends with the same bits as if it
// had not been.
func TestLostEngine(t *testing.T) {
	s := newStage(t, nil)
	for _, apart := range []bool{false, true} {
		cfg := s.config(2, apart)
		var all []*enginetest.Fragile
		at := 0 // of the last engine's calls, which is lost
		cfg.Engine = func() (engine.Engine, error) {
			e, err := cpu.New(s.rules.Model, cpu.Options{})
			if err != nil {
				return nil, err
			}
			f, err := enginetest.NewFragile(e, 0)
			all = append(all, f)
			return f, err
		}
		want, told := courseOf(t, s, cfg), 0
		calls := all[len(all)-1].Calls
		cfg.Lost = func(err error) {
			if told++; !errors.Is(err, engine.ErrLost) {
				t.Error(err)
			}
		}
		open := cfg.Engine
		for i := range 7 {
			all, told, at = nil, 0, calls/8*(i+1)
			cfg.Engine = func() (engine.Engine, error) {
				e, err := open()
				all[len(all)-1].At = at
				return e, err
			}
			if got := courseOf(t, s, cfg); !reflect.DeepEqual(got, want) || told == 0 {
				t.Errorf("apart %v, lost at call %d of %d, told %d times: a course ends elsewhere", apart, at, calls, told)
			}
		}
	}
}

// killing kills an engine's process before a worker's second batch in some rounds.
type killing struct {
	Duties
	t     *testing.T
	e     *torch.Engine
	seeds map[protocol.Digest]bool // of the rounds seen
	kills int
}

func (k *killing) Batches(ctx context.Context, round protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error] {
	return func(yield func(engine.Batch, error) bool) {
		n := 0
		for b, err := range k.Duties.Batches(ctx, round, seed, workers, worker) {
			if n++; n == 2 && len(k.seeds)%2 == 1 && !k.seeds[seed] {
				k.kill()
			}
			if n == 2 {
				k.seeds[seed] = true
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func (k *killing) kill() {
	p, err := os.FindProcess(k.e.ProcessID())
	if err == nil {
		err = p.Kill()
	}
	if k.kills++; err != nil {
		k.t.Error(err)
	}
}

// TestPythonKilledInTraining: a training whose helper is killed within rounds ends at the
// same bits.
func TestPythonKilledInTraining(t *testing.T) {
	python := os.Getenv("LODE_PYTHON")
	if python == "" {
		t.Skip("A TRAINING'S ENGINE IN PYTHON IS NOT CHECKED: LODE_PYTHON names no Python with numpy (see make python)")
	}
	s := newStage(t, nil)
	for _, apart := range []bool{false, true} {
		var duties *killing
		play := func(rounds map[protocol.Digest]bool) []byte {
			cfg := s.config(2, apart)
			duties = &killing{Duties: s.text, t: t, seeds: rounds}
			cfg.Engine = func() (engine.Engine, error) {
				e, err := torch.New(s.rules.Model, torch.Options{Python: python, Numpy: true})
				duties.e = e
				return e, err
			}
			if rounds != nil {
				cfg.Duties = duties
			}
			return stateOf(t, trainer(t, cfg, 4))
		}
		want := play(nil)
		if got := play(map[protocol.Digest]bool{}); !bytes.Equal(got, want) || duties.kills != 2 {
			t.Errorf("apart %v: killed %d times, it ends elsewhere", apart, duties.kills)
		}
	}
}
