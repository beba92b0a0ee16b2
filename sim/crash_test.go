package sim

// This file tests invariant I3 with real shells: whoever is killed, wherever.

import (
	"context"
	"io"
	"testing"

	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/engine"
	"lode/engine/cpu"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
	"lode/yuma/ledger"
)

// steady trains again what the record says one worker trained, in one life: the
// plain definition of what workers do, without files, links or deadlines.
type steady struct {
	y        *tiny
	engine   *cpu.Engine
	model    *replica.Model
	residual tensor.Flat
}

func (s *steady) update(ctx context.Context, f *round.Summary) (*gradient.Update, tensor.Flat, error) {
	l, r := s.y.rules.Layout, s.y.rules
	if err := tensor.Copy(l, s.engine.Params(), s.model.Params); err != nil {
		return nil, nil, err
	}
	for b, err := range s.y.plan.Batches(ctx, s.y.source, s.y.plan.Duty(f.Seed, 1, 0)) {
		if err != nil {
			return nil, nil, err
		}
		if _, err := s.engine.Step(engine.Tokens(b.Rows, b.Steps, b.Inputs, b.Targets), r.Hyper(f.Round)); err != nil {
			return nil, nil, err
		}
	}
	a := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, a, s.engine.Params()); err != nil {
		return nil, nil, err
	}
	beta := float32(r.Manifest.Update.Decay) / 65536
	for i := range a {
		a[i] = float32(beta*s.residual[i]) + (s.model.Params[i] - a[i])
	}
	u, err := gradient.Encode(l, r.Codec(f.Round), a)
	return u, a, err
}

// disk fetches payloads where the coordinator keeps them.
type disk struct{ blobs *checkpoints.Blobs }

func (d disk) Fetch(_ context.Context, digest protocol.Digest, most int64) ([]byte, error) {
	r, size, err := d.blobs.Open(digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > most {
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes", size)
	}
	return io.ReadAll(r)
}

// steadily demands that every update on the record is the one that a worker
// which was never killed would have sent, and that each was accepted.
func (y *tiny) steadily(t *testing.T, final []round.Summary) {
	t.Helper()
	s := steady{y: y, residual: make(tensor.Flat, y.rules.Layout.Len())}
	var err error
	if s.engine, err = cpu.New(y.rules.Model, cpu.Options{Threads: 1, Frozen: y.rules.Frozen, NoDecay: y.rules.NoDecay}); err != nil {
		t.Fatal(err)
	}
	defer s.engine.Close()
	if s.model, err = replica.NewModel(y.rules); err != nil {
		t.Fatal(err)
	}
	from := disk{y.blobs}
	for i := range final {
		f := &final[i]
		if i > 0 && (f.Receipt.StateRoot != final[i-1].Root || f.Receipt.Parent != final[i-1].Receipt.Digest()) {
			t.Fatalf("round %d does not continue the one before", f.Round)
		}
		if len(f.Outcomes) != 1 || f.Outcomes[0].Verdict.Reason != protocol.OK {
			t.Fatalf("round %d: the update was lost: %+v", f.Round, f.Outcomes)
		}
		u, a, err := s.update(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if got := protocol.Sum(u.Plain()); got != f.Outcomes[0].Commit.Plain {
			t.Fatalf("round %d: the worker sent another update than one that was never killed", f.Round)
		}
		for c := range y.rules.Layout.Chunks() {
			u.SubtractFrom(c, f.Outcomes[0].Verdict.Clip, a[c.Offset:c.Offset+c.Len])
		}
		s.residual = a
		if err := s.model.Catch(t.Context(), from, f); err != nil {
			t.Fatal(err)
		}
	}
}

// supply returns what was emitted after so many rounds. To whom it went follows
// from scores, which follow from instants on the record.
func (y *tiny) supply(t *testing.T, rounds int) ledger.Amount {
	t.Helper()
	rep := round.NewReplica(y.rules.Manifest)
	for _, e := range y.journal.entries {
		if _, err := rep.Feed(e); err != nil {
			t.Fatal(err)
		}
		if rep.Machine.Counts().Rounds == uint64(rounds) {
			break
		}
	}
	return rep.Machine.Ledger().Network().Emitted
}

// cycle kills a life at its first call before it is made, the next at its first
// call after it was made, then at the second, up to most calls, and again.
func cycle(most int) func(life int) (int, bool) {
	return func(life int) (int, bool) { return 1 + life/2%most, life%2 == 1 }
}

// Workers, validators and the coordinator are killed at every call and every
// write. The run goes on, and what it leaves is what a run without a kill leaves:
// nothing accepted is lost, nothing is paid twice, residual, optimizer, sheet and
// key survive.
func TestKilledAnywhere(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	whole := newTiny(t)
	whole.steadily(t, whole.play(t, rounds, faults{}))
	supply := whole.supply(t, rounds)
	if supply == 0 {
		t.Error("nobody was paid")
	}
	for name, f := range map[string]faults{
		"worker":                             {worker: cycle(6), every: 1},
		"worker that seldom keeps its state": {worker: cycle(6), every: 3},
		"validator":                          {validator: cycle(8)},
		"coordinator":                        {coordinator: func(life int) (int, bool) { return 2 + life/2%9, life%2 == 1 }},
		"everybody": {
			worker: cycle(7), validator: cycle(9),
			coordinator: func(life int) (int, bool) { return 3 + life/2%5, life%2 == 0 },
		},
	} {
		if testing.Short() && f.validator != nil {
			continue // each of its lives forges a hash chain
		}
		t.Run(name, func(t *testing.T) {
			y := newTiny(t)
			y.every = f.every
			y.steadily(t, y.play(t, rounds, f))
			if got := y.supply(t, rounds); got != supply {
				t.Errorf("%d was emitted, without the kill %d", got, supply)
			}
		})
	}
}
