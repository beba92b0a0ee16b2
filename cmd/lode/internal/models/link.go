package models

// This file holds pulling from a live run: the record says what to expect, the
// coordinator serves it.

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

func pullLink(ctx context.Context, source string, opt Options) (Result, error) {
	o, err := Observe(ctx, source, opt.Software, opt.Wait)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = o.Close() }() // nothing is under way any more
	return o.pull(ctx, opt)
}

func (o *Observer) pull(ctx context.Context, opt Options) (Result, error) {
	h, err := o.replay(ctx, opt.Progress)
	if err != nil {
		return Result{}, fmt.Errorf("record of the run: %w", err)
	}
	saved := h.saved
	switch {
	case saved.Manifest == protocol.Digest{}:
		return Result{}, fmt.Errorf("%w: run %s is in round %d and has published none; try again in some rounds (the coordinator's --checkpoint-every says how many)", ErrNone, o.Rules.Run.Short(), h.round)
	case opt.Round != nil && *opt.Round != saved.Round:
		return Result{}, fmt.Errorf("the coordinator serves its last checkpoint only, that of round %d; for round %d name the store it writes to", saved.Round, *opt.Round)
	}
	served, err := o.Served(ctx, saved)
	if err != nil {
		return Result{}, err
	}
	if served.Manifest.SignedBy(ed25519.PublicKey(o.Link.Coordinator[:])) == 0 {
		return Result{}, fmt.Errorf("checkpoint of round %d: the coordinator of the link has not signed it: %w", saved.Round, checkpoints.ErrUntrusted)
	}
	if err := h.check(o.Rules, served.Manifest); err != nil {
		return Result{}, err
	}
	trusted := opt.Trusted
	if len(trusted) == 0 {
		trusted = []protocol.NodeID{o.Link.Coordinator}
	}
	opt.Run, opt.Round = o.Rules.Run, &saved.Round
	res, err := bring(ctx, served, opt, trusted)
	res.Entries, res.Receipt = o.Length, err == nil
	return res, err
}

// history is what a record says about checkpoints.
type history struct {
	round protocol.Round // in flight
	saved protocol.Published
	after map[protocol.Round]outcome // by the round that led there
}

// outcome is the state a final round leaves.
type outcome struct{ model, state protocol.Digest }

func (o *Observer) replay(ctx context.Context, progress func(Stage, int64, int64)) (history, error) {
	h := history{after: map[protocol.Round]outcome{}}
	rep := round.NewReplica(o.Rules.Manifest)
	err := o.Entries(ctx, func(entry []byte) error {
		effects, err := rep.Feed(entry)
		if err != nil {
			return err
		}
		for _, e := range effects {
			if m, ok := e.(round.Merged); ok {
				h.after[m.Summary.Round] = outcome{m.Summary.Receipt.Model, m.Summary.Root}
			}
		}
		if progress != nil {
			progress(Record, int64(rep.Chain.Next), int64(o.Length))
		}
		return nil
	})
	h.round, h.saved = rep.Machine.Current().Number, rep.Machine.Saved()
	return h, err
}

// check compares a checkpoint's manifest with the receipt of the round before.
func (h history) check(rules *replica.Rules, m checkpoints.Manifest) error {
	var want outcome
	if m.Round == 0 {
		first, err := replica.NewModel(rules)
		if err != nil {
			return err
		}
		root, err := tensor.Root(rules.Layout, first.Params)
		if err != nil {
			return err
		}
		want = outcome{root, round.New(rules.Manifest).Current().Root}
	} else {
		var ok bool
		if want, ok = h.after[protocol.Round(m.Round)-1]; !ok {
			return fmt.Errorf("checkpoint of round %d: the record has no receipt of round %d", m.Round, m.Round-1)
		}
	}
	switch {
	case m.ModelRoot != want.model:
		return fmt.Errorf("checkpoint of round %d is not the model the validators signed: its root is %s, the receipt of the round before says %s: %w",
			m.Round, protocol.Digest(m.ModelRoot).Short(), want.model.Short(), checkpoints.ErrCorrupt)
	case m.StateRoot != want.state:
		return fmt.Errorf("checkpoint of round %d names state %s, the record says %s: %w",
			m.Round, protocol.Digest(m.StateRoot).Short(), want.state.Short(), checkpoints.ErrCorrupt)
	}
	return nil
}
