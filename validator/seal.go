package validator

// This file holds the end of a round: the merge, the proposal, the co-signature.

import (
	"context"
	"fmt"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// merged is a round's merge as this validator found it, with the step as it
// travels.
type merged struct {
	*replica.Merged
	round protocol.Round
	wire  []byte
}

// merge recomputes the round's merge once.
func (j *judge) merge(ctx context.Context, r *round.Round) (*merged, error) {
	if j.merged != nil && j.merged.round == r.Number {
		return j.merged, nil
	}
	all, err := j.candidates(ctx, r)
	if err != nil {
		return nil, err
	}
	var accepted []aggregation.Contribution
	e := r.Entries // verdicts are of some of them, in their order
	for i, v := range r.Verdicts {
		for len(e) > 1 && e[0].Worker != v.Worker {
			e = e[1:]
		}
		if v.Reason == protocol.OK {
			accepted = append(accepted, replica.Contribution(all[i], v, e[0].Commit))
		}
	}
	m, err := j.model.Merge(accepted)
	if err != nil {
		return nil, err
	}
	j.merged = &merged{Merged: m, round: r.Number, wire: m.Step.Wire()}
	return j.merged, nil
}

// receipt is what this validator finds the round's receipt to be.
func (j *judge) receipt(r *round.Round, m *merged) protocol.Receipt {
	return protocol.Receipt{
		Version: protocol.Version, Run: j.cfg.Rules.Run,
		Round: r.Number, Parent: r.Parent, StateRoot: r.Root, List: r.List, Decision: r.Decision,
		Step: m.Plain, Payload: protocol.Sum(m.wire), Size: uint64(len(m.wire)),
		Model: m.Model, Outer: m.State,
	}
}

// propose uploads the merged step before it names it.
func (j *judge) propose(ctx context.Context, r *round.Round) (protocol.Body, error) {
	m, err := j.merge(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := replica.Upload(ctx, j.cfg.Link, m.wire); err != nil {
		return nil, fmt.Errorf("upload of the merged step: %w", err)
	}
	return protocol.Proposal{Receipt: j.receipt(r, m)}, nil
}

// coSign vouches for the proposal if it is what was recomputed here, and
// measures what the merge did.
func (j *judge) coSign(ctx context.Context, r *round.Round) (protocol.Body, error) {
	m, err := j.merge(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := j.check(ctx, r, m); err != nil {
		return nil, err
	}
	out := protocol.CoSign{Receipt: r.Proposal.Digest()}
	if err := j.measure(ctx, r, m, &out); err != nil {
		return nil, err
	}
	return out, nil
}

// check compares the proposal with what was recomputed. The payload may be
// another encoding of the same step, as long as it arrives and decodes to it.
func (j *judge) check(ctx context.Context, r *round.Round, m *merged) error {
	want := j.receipt(r, m)
	got := *r.Proposal
	if got.Payload != want.Payload {
		if _, err := j.cfg.Rules.Step(ctx, j.cfg.Link, got); err != nil {
			return protocol.Refuse(protocol.WrongReceipt, "proposed payload: %v", err)
		}
		want.Payload, want.Size = got.Payload, got.Size
	}
	if got != want {
		j.cfg.Log.Warn().Uint64("round", uint64(r.Number)).Msg("proposal is not what this validator computed, not signing")
		return protocol.Refuse(protocol.WrongReceipt, "the proposal is not what was recomputed")
	}
	return nil
}

// measure fills in the losses before and after the merge.
func (j *judge) measure(ctx context.Context, r *round.Round, m *merged, out *protocol.CoSign) error {
	b, err := j.evalBatch(ctx, r)
	if err != nil {
		return err
	}
	if j.sheet != nil && j.sheet.Seed == r.Eval {
		out.Before = j.sheet.Loss
	} else if out.Before, err = j.lossOf(j.model.Params, b); err != nil {
		return err
	}
	if out.After, err = j.lossOf(j.model.After(m.Merged), b); err != nil {
		return err
	}
	rows := int(j.cfg.Rules.Manifest.Score.HeldOut)
	held, err := j.cfg.Text.HeldOut(ctx, protocol.Digest(j.cfg.Rules.Run), rows)
	if err != nil {
		return err
	}
	loss, err := j.cfg.Engine.Loss(held)
	out.HeldOut, _ = protocol.ToNanoNats(loss)
	return err
}

func (j *judge) lossOf(params tensor.Reader, b engine.Batch) (protocol.NanoNats, error) {
	if err := j.put(params); err != nil {
		return 0, err
	}
	loss, err := j.cfg.Engine.Loss(b)
	n, _ := protocol.ToNanoNats(loss)
	return n, err
}
