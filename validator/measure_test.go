package validator

// This file tests what is measured of candidates, and with what.

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/coordinator/round"
	"lode/engine"
	"lode/engine/cpu"
	"lode/engine/enginetest"
	"lode/gradient"
	"lode/protocol"
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
	j.keep(&round.Summary{}, nil, step)

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
	if again.Digest(j.me) != plain.Digest(j.me) || able.Multiplied != 1+len(r.Examine) {
		t.Errorf("another sheet with abilities, which were used %d times", able.Multiplied)
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
