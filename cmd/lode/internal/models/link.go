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
)

func pullLink(ctx context.Context, source string, opt Options) (Result, error) {
	o, err := Observe(ctx, source, opt.Contact)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = o.Close() }() // nothing is under way any more
	return o.pull(ctx, opt)
}

func (o *Observer) pull(ctx context.Context, opt Options) (Result, error) {
	h, err := replay(ctx, o.Rules, o.Entries, func(n uint64) { opt.tell(Record, int64(n), int64(o.Length)) })
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
	receipt, err := h.check(o.Rules, served.Manifest)
	if err != nil {
		return Result{}, err
	}
	trusted := opt.Trusted
	if len(trusted) == 0 {
		trusted = []protocol.NodeID{o.Link.Coordinator}
	}
	opt.Run, opt.Round = o.Rules.Run, &saved.Round
	res, err := bring(ctx, served, opt, trusted)
	res.Entries, res.Receipt = h.entries, &receipt
	return res, err
}

// history is what a record says about checkpoints.
type history struct {
	entries uint64
	round   protocol.Round // in flight
	saved   protocol.Published
	after   map[protocol.Round]outcome // by the round that led there
}

// outcome is the state a final round leaves, and who vouches for it.
type outcome struct {
	model, state protocol.Digest
	receipt      Receipt
}

func receiptOf(b round.Backing) Receipt {
	return Receipt{Validators: b.Validators, Share: float64(b.Stake) / float64(b.Roster)}
}

// replay reads a record with every signature and rule. told hears how many
// entries were read.
func replay(ctx context.Context, rules *replica.Rules, entries func(context.Context, func([]byte) error) error, told func(uint64)) (history, error) {
	h := history{after: map[protocol.Round]outcome{}}
	rep := round.NewReplica(rules.Manifest)
	err := entries(ctx, func(entry []byte) error {
		effects, err := rep.Feed(entry)
		if err != nil {
			return err
		}
		for _, e := range effects {
			if m, ok := e.(round.Merged); ok {
				h.after[m.Summary.Round] = outcome{m.Summary.Receipt.Model, m.Summary.Root, receiptOf(m.Summary.Backing)}
			}
		}
		told(rep.Chain.Next)
		return nil
	})
	h.entries, h.round, h.saved = rep.Chain.Next, rep.Machine.Current().Number, rep.Machine.Saved()
	return h, err
}

// check compares a checkpoint's manifest with the run's coordinator and the
// receipt of the round before, and returns who signed that.
func (h history) check(rules *replica.Rules, m checkpoints.Manifest) (Receipt, error) {
	if m.SignedBy(ed25519.PublicKey(rules.Manifest.Coordinator[:])) == 0 {
		return Receipt{}, fmt.Errorf("checkpoint of round %d: the run's coordinator has not signed it: %w", m.Round, checkpoints.ErrUntrusted)
	}
	want, err := h.before(rules, protocol.Round(m.Round))
	switch {
	case err != nil:
		return want.receipt, fmt.Errorf("checkpoint of round %d: %w", m.Round, err)
	case m.ModelRoot != want.model:
		return want.receipt, fmt.Errorf("checkpoint of round %d is not the model the validators signed: its root is %s, the receipt of the round before says %s: %w",
			m.Round, protocol.Digest(m.ModelRoot).Short(), want.model.Short(), checkpoints.ErrCorrupt)
	case m.StateRoot != want.state:
		return want.receipt, fmt.Errorf("checkpoint of round %d names state %s, the record says %s: %w",
			m.Round, protocol.Digest(m.StateRoot).Short(), want.state.Short(), checkpoints.ErrCorrupt)
	}
	return want.receipt, nil
}

// before returns the state before a round.
func (h history) before(rules *replica.Rules, r protocol.Round) (outcome, error) {
	if r > 0 {
		out, ok := h.after[r-1]
		if !ok {
			return out, fmt.Errorf("the record has no receipt of round %d", r-1)
		}
		return out, nil
	}
	root, err := rules.FirstRoot()
	return outcome{model: root, state: round.New(rules.Manifest).Current().Root}, err
}
