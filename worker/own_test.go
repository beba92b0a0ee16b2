package worker

// This file tests the trainer on data of its own.

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lode/data"
	"lode/engine"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// ownConfig is a worker of a tiny run in private mode that has a text of its own.
func ownConfig(t testing.TB, out *outside, most uint32) Config {
	t.Helper()
	cfg := config(t, out)
	man := cfg.Rules.Manifest
	man.Data.Mode, man.Score.Examine, man.Merge.MaxSamples = protocol.DataPrivate, 0, most
	man.Train.InnerSteps = 8
	var err error
	if cfg.Rules, err = replica.NewRules(man); err != nil {
		t.Fatal(err)
	}
	const piece = 8*4 + 1
	text := make([]byte, 20*piece)
	rng := rand.NewChaCha8([32]byte{3})
	_, _ = rng.Read(text)
	ix := &data.Index{Bytes: uint64(len(text)), Piece: piece, Width: 1}
	var src pieces
	for p := range slices.Chunk(text, piece) {
		ix.Digests, src = append(ix.Digests, protocol.Sum(p)), append(src, p)
	}
	own, err := data.NewOwn(ix, src, man.Data, man.Train, data.Portion{}, protocol.Digest{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Duties, err = cfg.Rules.Private(protocol.NodeID{1}, own, 0.1); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A commit names as many samples as the worker trains on, or as many as count; none where
// updates weigh alike.
func TestSamplesOfCommits(t *testing.T) {
	for most, want := range map[uint32]uint32{0: 0, 1: 1, 50: 50, 1000: 72} { // 20·4, of which 8 are kept back
		cfg := ownConfig(t, newOutside(), most)
		if got := do(t, begin(t, cfg), taskOf(0, 1)).commit.Samples; got != want {
			t.Errorf("of 72 samples, of which %d count, the commit names %d", most, got)
		}
		how, err := NewConduct("boast")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Conduct, cfg.Files = how, newOutside()
		if most == 0 {
			cfg.Engine = engineOf(t, cfg.Rules)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "merge.max_samples") {
				t.Errorf("who boasts where samples do not count: %v", err)
			}
			continue
		}
		if got := do(t, begin(t, cfg), taskOf(0, 1)).commit.Samples; got != most {
			t.Errorf("who boasts names %d of %d", got, most)
		}
	}
	if got := do(t, begin(t, config(t, newOutside())), taskOf(0, 1)).commit.Samples; got != 0 {
		t.Errorf("a worker in assigned mode names %d samples", got)
	}
}

// I3: a worker that is killed while it trains on data of its own makes the same of the
// round again, and what comes after differs in nothing either.
func TestOwnDataAfterRestart(t *testing.T) {
	out := newOutside()
	cfg := ownConfig(t, out, 50)
	var told []Trained
	cfg.Tell = func(r Trained) { told = append(told, r) }
	tr := begin(t, cfg)
	for n := range protocol.Round(4) {
		s := do(t, tr, taskOf(n, byte(n)))
		over := tr.over(s, protocol.OK, gradient.Unclipped)
		if err := tr.settle(over); err != nil {
			t.Fatal(err)
		}
		tr.model.Next = n + 1
		// Killed while it trained on the next round: only the file is left.
		again := begin(t, cfg)
		if err := again.settle(over); err != nil {
			t.Fatal(err)
		}
		again.model.Next = n + 1
		one := do(t, tr, taskOf(n+1, 9))
		kept := out.files[stateFile]
		two := do(t, again, taskOf(n+1, 9))
		if one.commit != two.commit || !bytes.Equal(out.files[stateFile], kept) {
			t.Fatalf("round %d: a restart makes another update", n+1)
		}
		tr = again
		tr.sent = nil
	}
	if len(told) != 12 { // four rounds, each followed by the next one twice
		t.Errorf("told %d times", len(told))
	}
	for _, r := range told {
		if r.Before.Samples != 8 || r.Before.Loss < 4 || r.Before.Loss > 7 || r.After.Loss == r.Before.Loss {
			t.Errorf("%+v", r)
		}
	}
}

// ungraded is an engine whose model has no grades, and counts passes.
type ungraded struct {
	engine.Engine
	losses, grades int
}

func (u *ungraded) Loss(b engine.Batch) (float64, error) {
	u.losses++
	return u.Engine.Loss(b)
}

func (u *ungraded) Grade(engine.Batch) ([]engine.Grade, error) {
	u.grades++
	return nil, engine.ErrNoGrades
}

// graded is an engine that counts passes.
type graded struct{ ungraded }

func (g *graded) Grade(b engine.Batch) ([]engine.Grade, error) {
	g.grades++
	return g.Engine.(engine.Grader).Grade(b)
}

// A model without grades trains on own data too, and one with grades is measured in one
// pass over what is kept back.
func TestMeasured(t *testing.T) {
	var all []Trained
	cfg := ownConfig(t, newOutside(), 50)
	cfg.Tell = func(r Trained) { all = append(all, r) }
	none := &ungraded{Engine: engineOf(t, cfg.Rules)}
	cfg.Engine = none
	do(t, begin(t, cfg), taskOf(0, 1))
	some := &graded{ungraded{Engine: engineOf(t, cfg.Rules)}}
	cfg.Engine, cfg.Files = some, newOutside()
	do(t, begin(t, cfg), taskOf(0, 1))
	for i, got := range all {
		if got.Before.Samples != 8 || math.Abs(got.Before.Loss-all[0].Before.Loss) > 1e-6 || math.Abs(got.After.Loss-all[0].After.Loss) > 1e-6 {
			t.Errorf("engine %d: %+v, want the loss of %+v", i, got, all[0])
		}
	}
	if len(all) != 2 || none.losses != 16 || some.losses != 0 || some.grades != 16 {
		t.Errorf("%d rounds told; without grades %d passes, with grades %d and %d", len(all), none.losses, some.losses, some.grades)
	}
	if all[0].After.Accuracy != 0 {
		t.Errorf("without grades a share of %v is right", all[0].After.Accuracy)
	}
}

// train.proximal holds a worker near where the round began.
func TestProximal(t *testing.T) {
	moved := func(mu float64) float64 {
		cfg := config(t, newOutside())
		man := cfg.Rules.Manifest
		man.Train.Proximal = mu
		var err error
		if cfg.Rules, err = replica.NewRules(man); err != nil {
			t.Fatal(err)
		}
		tr := begin(t, cfg)
		do(t, tr, taskOf(0, 1))
		update := make(tensor.Flat, cfg.Rules.Layout.Len())
		if err := tensor.Copy(cfg.Rules.Layout, update, tr.residual); err != nil {
			t.Fatal(err)
		}
		most := 0.0
		for _, v := range update {
			most = max(most, math.Abs(float64(v)))
		}
		return most
	}
	if free, held := moved(0), moved(1e4); free == 0 || held > free/20 {
		t.Errorf("an update of %v where nothing holds it, of %v with a µ of 10000", free, held)
	}
}

// pieces is a source in memory.
type pieces [][]byte

func (p pieces) Piece(_ context.Context, i int) ([]byte, error) { return p[i], nil }
