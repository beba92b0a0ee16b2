package audit

// This file holds the second part of an audit: the merges.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/yuma/ledger"
)

// recompute goes through the final rounds in order.
func (a *audit) recompute(ctx context.Context) error {
	from, to := a.bounds()
	at, err := a.start(ctx, from)
	if err != nil {
		return err
	}
	for i := at; i < to; i++ {
		s := &a.final[i]
		if i < from {
			err = a.pass(ctx, s)
		} else {
			err = a.round(ctx, s)
		}
		if err != nil {
			return err
		}
		a.opt.Progress(Rounds, uint64(max(0, i+1-from)), uint64(to-from))
	}
	return nil
}

// bounds returns the rounds asked for as places in final: from, and one past the
// last.
func (a *audit) bounds() (from, to int) {
	n := uint64(len(a.final))
	to = len(a.final)
	if a.opt.From != nil {
		from = int(min(uint64(*a.opt.From), n))
	}
	if a.opt.To != nil && uint64(*a.opt.To) < n {
		to = int(*a.opt.To) + 1
	}
	return from, max(from, to)
}

// start makes the model ready, at the last checkpoint up to from or at the run's
// beginning, and returns the round it is before.
func (a *audit) start(ctx context.Context, from int) (int, error) {
	for i := len(a.shelved) - 1; i >= 0; i-- {
		if c := a.shelved[i]; c > 0 && c <= uint64(from) {
			if err := a.restore(ctx, int(c)); err != nil || a.model != nil {
				return int(c), err
			}
		}
	}
	var err error
	a.model, err = a.ready(replica.NewModel(a.rules))
	return 0, err
}

// ready has a model put updates aside on disk.
func (a *audit) ready(m *replica.Model, err error) (*replica.Model, error) {
	if err == nil {
		m.Scratch = replica.ScratchIn(a.opt.Scratch)
	}
	return m, err
}

// pass moves the model past a round nobody asked about.
func (a *audit) pass(ctx context.Context, s *round.Summary) error {
	if err := a.regain(ctx, s); err != nil || a.model == nil {
		return err
	}
	err := a.model.Catch(ctx, a.src.Payloads, s)
	switch {
	case err == nil:
		return nil
	case missing(err):
		a.model = nil
		return nil
	case ctx.Err() != nil:
		return err
	}
	return (&Mismatch{What: "merge", Means: "what led to the rounds asked for is not what the receipt says"}).because(err).in(s.Round)
}

// round recomputes one round and moves the model past it.
func (a *audit) round(ctx context.Context, s *round.Summary) error {
	r := Round{Round: s.Round, Model: s.Receipt.Model, State: s.Root}
	err := a.regain(ctx, s)
	if err == nil {
		err = a.merge(ctx, s, &r)
	}
	if err != nil {
		return err
	}
	a.report.Rounds = append(a.report.Rounds, r)
	a.report.Bytes += r.Bytes
	a.report.Updates += r.Updates
	if r.Recomputed {
		a.report.Recomputed++
	}
	return nil
}

// regain takes the model up again from the checkpoint before a round, where it got
// lost and there is one.
func (a *audit) regain(ctx context.Context, s *round.Summary) error {
	if a.model != nil {
		return nil
	}
	return a.restore(ctx, int(s.Round))
}

// merge opens, merges and compares; what is missing goes into r.
func (a *audit) merge(ctx context.Context, s *round.Summary, r *Round) error {
	pile := replica.NewPile(replica.ScratchIn(a.opt.Scratch))
	defer pile.Close()
	updates, err := a.updates(ctx, s, r, pile)
	if err != nil {
		return err
	}
	whole := a.model != nil && len(r.Missing) == 0
	if whole {
		if err := a.again(s, updates, r); err != nil {
			return err
		}
	}
	wire, err := a.step(ctx, s, r)
	switch {
	case err != nil || whole:
		return err
	case a.model == nil:
		r.Missing = append(r.Missing, Missing{What: "model before the round"})
		return nil
	}
	return a.skip(s, wire)
}

// again merges all of a round's updates and moves the model on.
func (a *audit) again(s *round.Summary, updates []aggregation.Contribution, r *Round) error {
	a.shuffle(s.Round, updates)
	merged, err := a.model.Merge(updates)
	if err != nil {
		return (&Mismatch{What: "merge", Means: "the accepted updates cannot be merged under the run's rules"}).because(err).in(s.Round)
	}
	if err := agree(s, merged); err != nil {
		return err
	}
	if err := a.model.Adopt(merged, s.Receipt); err != nil {
		panic("audit: a compared merge is not adopted: " + err.Error())
	}
	r.Recomputed, r.Updates = true, len(updates)
	r.Model, r.State = merged.Model, stateRoot(merged, s.Receipt.Decision)
	return nil
}

// stateRoot is the state root that a recomputed merge leads to.
func stateRoot(m *replica.Merged, decision protocol.Digest) protocol.Digest {
	return ledger.StateRoot(protocol.Receipt{Model: m.Model, Outer: m.State, Decision: decision})
}

// agree compares a merge with the receipt that the validators signed.
func agree(s *round.Summary, m *replica.Merged) error {
	rc := s.Receipt
	for _, c := range []struct {
		what      string
		want, got protocol.Digest
	}{
		{"merged step", rc.Step, m.Plain},
		{"model root", rc.Model, m.Model},
		{"outer optimizer's root", rc.Outer, m.State},
		{"state root", s.Root, stateRoot(m, rc.Decision)},
	} {
		if c.want != c.got {
			return (&Mismatch{
				What: c.what, Want: c.want, Got: c.got,
				Means: "the receipt that the validators signed is not what the accepted updates give",
			}).in(s.Round)
		}
	}
	return nil
}

// skip moves the model past a round that cannot be recomputed: by its merged
// step if that is enough and there, else the model is lost.
func (a *audit) skip(s *round.Summary, wire []byte) error {
	if wire == nil || len(a.model.Outer) > 0 {
		a.model = nil
		return nil
	}
	if err := a.model.Apply(s.Receipt, wire); err != nil {
		return (&Mismatch{What: "merged step", Want: s.Receipt.Model, Means: "the step does not lead to the model that the receipt names"}).because(err).in(s.Round)
	}
	return nil
}

// updates fetches and opens the accepted updates, and puts them on a pile. It returns
// fewer than were accepted if some are missing, and says so in r.
func (a *audit) updates(ctx context.Context, s *round.Summary, r *Round, on *replica.Pile) ([]aggregation.Contribution, error) {
	codec, err := a.codec(s.Round)
	if err != nil && !missing(err) {
		return nil, fmt.Errorf("round %d: %w", s.Round, err)
	}
	if err != nil {
		r.Missing = append(r.Missing, Missing{What: "merged step before the round"})
		return nil, nil
	}
	var out []aggregation.Contribution
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		payload, err := a.src.Payloads.Fetch(ctx, o.Commit.Cipher, int64(a.rules.MaxPayload(s.Round)))
		if err == nil {
			u, err := a.open(codec, s.Round, o, payload)
			if err != nil {
				return nil, err
			}
			at, err := on.Add(u)
			if err != nil {
				return nil, err
			}
			r.Bytes += int64(len(payload))
			out = append(out, replica.Contribution(at, o.Verdict, o.Commit))
			continue
		}
		if missing(err) {
			r.Missing = append(r.Missing, Missing{What: "update", Worker: o.Worker, Digest: o.Commit.Cipher})
			continue
		}
		return nil, unfit(err, &Mismatch{
			What: "update", Worker: o.Worker, Want: o.Commit.Cipher,
			Means: "the payload kept is not the one the worker committed to: it was changed or is damaged",
		}, s.Round)
	}
	return out, nil
}

// codec returns the parameters of a round's updates; it fails where the step that
// their places follow from is not known.
func (a *audit) codec(n protocol.Round) (gradient.Params, error) {
	if a.model == nil {
		return a.rules.CodecAfter(n, nil)
	}
	return a.model.Codec()
}

// unfit turns the error of a fetch into a mismatch if the content is to blame.
func unfit(err error, m *Mismatch, r protocol.Round) error {
	if !wrong(err) {
		return fmt.Errorf("round %d: fetch %s %s: %w", r, m.What, m.Want.Short(), err)
	}
	if d, ok := errors.AsType[*damaged](err); ok {
		m.Got = d.got
		return m.in(r)
	}
	return m.because(err).in(r)
}

// open opens an accepted update and compares it with what was attested of it.
func (a *audit) open(codec gradient.Params, n protocol.Round, o *round.Outcome, payload []byte) (*gradient.Update, error) {
	u, err := a.rules.Open(codec, n, o.Worker, o.Commit, o.Key, payload)
	if err != nil {
		return nil, (&Mismatch{
			What: "update", Worker: o.Worker, Want: o.Commit.Plain,
			Means: "it was merged although it does not open as the update that was committed to",
		}).because(err).in(n)
	}
	if got, want := u.NormSquared(), o.Verdict.Norm; got != want {
		return nil, (&Mismatch{
			What: "norm of the update", Worker: o.Worker,
			Means: "the validators attested another norm than the update has, so its clip factor is wrong",
		}).because(fmt.Errorf("attested %x:%016x, it is %x:%016x", want.Hi, want.Lo, got.Hi, got.Lo)).in(n)
	}
	return u, nil
}

// step fetches the merged step as it travels; nil if it is missing.
func (a *audit) step(ctx context.Context, s *round.Summary, r *Round) ([]byte, error) {
	rc := s.Receipt
	wire, err := a.src.Payloads.Fetch(ctx, rc.Payload, int64(a.rules.MaxStep(s.Round)))
	switch {
	case err == nil:
	case missing(err):
		r.Missing = append(r.Missing, Missing{What: "merged step", Digest: rc.Payload})
		return nil, nil
	default:
		return nil, unfit(err, &Mismatch{
			What: "payload of the merged step", Want: rc.Payload,
			Means: "the payload kept is not the one the receipt names: it was changed or is damaged",
		}, s.Round)
	}
	r.Bytes += int64(len(wire))
	if _, err := a.rules.Step(ctx, fetched(wire), rc); err != nil {
		return nil, (&Mismatch{
			What: "payload of the merged step", Want: rc.Step,
			Means: "what workers were sent is not the step that the receipt names",
		}).because(err).in(s.Round)
	}
	return wire, nil
}

// fetched is a payload that is here already.
type fetched []byte

// Fetch implements replica.Fetcher.
func (f fetched) Fetch(context.Context, protocol.Digest, int64) ([]byte, error) { return f, nil }

// shuffle puts a round's updates into another order.
func (a *audit) shuffle(n protocol.Round, updates []aggregation.Contribution) {
	if a.opt.Shuffle == 0 {
		return
	}
	rand.New(rand.NewPCG(a.opt.Shuffle, uint64(n))).Shuffle(len(updates), func(i, j int) {
		updates[i], updates[j] = updates[j], updates[i]
	})
}
