package validator

// This file holds updates: those of the round in progress, opened and put on a pile,
// and those that novelty looks back on.

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
)

// attest fetches and opens every listed update.
func (j *judge) attest(ctx context.Context, r *round.Round) ([]protocol.Finding, error) {
	j.drop(j.pile)
	j.updates, j.opened, j.pile = map[protocol.NodeID]aggregation.Source{}, r.Number, replica.NewPile(j.cfg.Scratch)
	findings := make([]protocol.Finding, len(r.Entries))
	for i := range r.Entries {
		e := &r.Entries[i]
		u, err := j.open(ctx, r, e)
		var refusal *protocol.Refusal
		if err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
		if err != nil {
			findings[i].Reason = refusal.Reason
			j.cfg.Log.Info().Err(err).Str("worker", e.Worker.Short()).Uint64("round", uint64(r.Number)).Msg("update refused")
			continue
		}
		norm := u.NormSquared()
		findings[i].NormHi, findings[i].NormLo = norm.Hi, norm.Lo
		if j.updates[e.Worker], err = j.pile.Add(u); err != nil {
			return nil, err
		}
	}
	return findings, nil
}

func (j *judge) open(ctx context.Context, r *round.Round, e *round.Entry) (*gradient.Update, error) {
	most := j.cfg.Rules.MaxPayload(r.Number)
	switch {
	case !e.Revealed:
		return nil, protocol.Refuse(protocol.NotRevealed, "no key")
	case e.Commit.Size > uint64(most):
		return nil, protocol.Refuse(protocol.TooLarge, "%d bytes, at most %d are allowed", e.Commit.Size, most)
	}
	payload, err := j.cfg.Link.Fetch(ctx, e.Commit.Cipher, int64(e.Commit.Size))
	if err != nil {
		var refusal *protocol.Refusal
		if errors.As(err, &refusal) && refusal.Reason != protocol.TooLarge {
			return nil, protocol.Refuse(protocol.Unavailable, "%v", err)
		}
		return nil, err
	}
	codec, err := j.model.Codec()
	if err != nil {
		return nil, err
	}
	return j.cfg.Rules.Open(codec, r.Number, e.Worker, e.Commit, e.Key, payload)
}

// candidates returns the updates of a round's candidates, in order. After a
// restart they are fetched again.
func (j *judge) candidates(ctx context.Context, r *round.Round) ([]aggregation.Source, error) {
	if j.opened != r.Number || j.updates == nil {
		if _, err := j.attest(ctx, r); err != nil {
			return nil, err
		}
	}
	out := make([]aggregation.Source, len(r.Candidates))
	for i, c := range r.Candidates {
		if out[i] = j.updates[c.Worker]; out[i] != nil {
			continue
		}
		// A quorum attested it, so it may have arrived since.
		u, err := j.open(ctx, r, r.Entry(c.Worker))
		if err != nil {
			return nil, fmt.Errorf("update of %s, which a quorum attested: %w", c.Worker.Short(), err)
		}
		if out[i], err = j.pile.Add(u); err != nil {
			return nil, err
		}
		j.updates[c.Worker] = out[i]
	}
	return out, nil
}

// accepted returns a final round's accepted updates and the pile they lie on: those
// that this validator opened, or all of them fetched again.
func (j *judge) accepted(ctx context.Context, s *round.Summary) ([]aggregation.Contribution, *replica.Pile, error) {
	var out []aggregation.Contribution
	for _, o := range s.Outcomes {
		if o.Verdict.Reason != protocol.OK {
			continue
		}
		u := j.updates[o.Worker]
		if j.opened != s.Round || u == nil {
			codec, err := j.model.Codec()
			if err != nil {
				return nil, nil, err
			}
			return j.fetch(ctx, codec, s)
		}
		out = append(out, replica.Contribution(u, o.Verdict, o.Commit))
	}
	return out, j.pile, nil
}

// fetch opens a final round's accepted updates, whose codec is given, on a pile of
// their own.
func (j *judge) fetch(ctx context.Context, codec gradient.Params, s *round.Summary) ([]aggregation.Contribution, *replica.Pile, error) {
	pile := replica.NewPile(j.cfg.Scratch)
	out, err := j.cfg.Rules.Accepted(ctx, j.cfg.Link, codec, s, pile)
	if err != nil {
		j.drop(pile)
		return nil, nil, err
	}
	return out, pile, nil
}

// drop gives up a pile. That its file does not close is no reason to stop.
func (j *judge) drop(pile *replica.Pile) {
	if err := pile.Close(); err != nil {
		j.cfg.Log.Warn().Err(err).Msg("file of a round's updates")
	}
}

// forget gives up all that lies on piles.
func (j *judge) forget() {
	j.drop(j.pile)
	for _, m := range j.memory {
		j.drop(m.pile)
	}
	j.updates, j.pile, j.memory = nil, nil, nil
}

// remembered is what novelty looks back on: one round's accepted updates, if they were
// at hand, and its step.
type remembered struct {
	round   protocol.Round
	updates []aggregation.Source
	pile    *replica.Pile // where they lie
	step    gradient.Vector
}

func (j *judge) keep(s *round.Summary, accepted []aggregation.Contribution, pile *replica.Pile, step gradient.Vector) {
	m := remembered{round: s.Round, pile: pile, step: step}
	for _, c := range accepted {
		m.updates = append(m.updates, c.Update)
	}
	j.memory = append(j.memory, m)
	if old := len(j.memory) - int(j.cfg.Rules.Manifest.Score.Window); old > 0 {
		for _, m := range j.memory[:old] {
			j.drop(m.pile)
		}
		j.memory = slices.Delete(j.memory, 0, old)
	}
}

// remember fetches a round that the model has passed without its updates: the step, on
// which novelty looks back and from which the places of the next round may follow, and
// the updates if they are wanted. What is not to be had is not remembered.
func (j *judge) remember(ctx context.Context, s *round.Summary, updates bool) {
	before := j.passed
	step, err := j.cfg.Rules.Step(ctx, j.cfg.Link, s.Receipt)
	j.passed = step // nil after an error: from an earlier one other places would follow
	if err == nil {
		var accepted []aggregation.Contribution
		var pile *replica.Pile
		if updates {
			accepted, pile, err = j.fetchAfter(ctx, before, s)
		}
		j.keep(s, accepted, pile, step)
	}
	if err != nil {
		j.cfg.Log.Info().Err(err).Uint64("round", uint64(s.Round)).Msg("earlier round is not remembered as a whole")
	}
}

// fetchAfter is fetch where the step of the round before is known, or nil.
func (j *judge) fetchAfter(ctx context.Context, before *aggregation.Step, s *round.Summary) ([]aggregation.Contribution, *replica.Pile, error) {
	codec, err := j.cfg.Rules.CodecAfter(s.Round, before)
	if err != nil {
		return nil, nil, err
	}
	return j.fetch(ctx, codec, s)
}
