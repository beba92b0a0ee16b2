package audit

// This file holds the audit from end to end, and its first part: the record.

import (
	"context"
	"errors"
	"fmt"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// Stage says what an audit is doing.
type Stage string

// Stages of an audit, in order.
const (
	Entries     Stage = "entries" // of the record
	Rounds      Stage = "rounds"
	Checkpoints Stage = "checkpoints"
)

// Options say what is looked at.
type Options struct {
	// From and To are the first and the last round to recompute; nil: the run's
	// first, and the last that is final. The record is checked as a whole in any
	// case, and the model followed up to From by its merged steps where that is
	// possible.
	From, To *protocol.Round
	// Shuffle, unless 0, is the seed of the order in which each round's updates
	// are merged. The result must not depend on it.
	Shuffle uint64
	// Scratch is a folder for checkpoints while they are compared, and for updates
	// while they are merged; default the system's.
	Scratch string
	// Progress is told what was done of how much; total is 0 where that is not
	// known. nil: nobody is told.
	Progress func(s Stage, done, total uint64)
}

// Verify recomputes a run. The error is a *[Mismatch] where something is not as
// it must be, and then stands in the report too; other errors say that the audit
// could not be done. Payloads that are missing are no error: see [Round].
func Verify(ctx context.Context, src Source, opt Options) (Report, error) {
	rules, err := replica.NewRules(src.Manifest)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	rules.Initial = src.Initial
	if opt.Progress == nil {
		opt.Progress = func(Stage, uint64, uint64) {}
	}
	a := &audit{src: src, opt: opt, rules: rules, report: Report{Run: rules.Run}}
	planes, err := aggregation.NewPlanes(rules.Layout, rules.Merge(0))
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	a.numPlanes = len(planes)
	for _, part := range []func(context.Context) error{a.record, a.find, a.recompute, a.compare} {
		if err = part(ctx); err != nil {
			break
		}
	}
	if m, ok := errors.AsType[*Mismatch](err); ok {
		a.report.Mismatch = m
		return a.report, m
	}
	if err != nil {
		err = fmt.Errorf("verify: %w", err)
	}
	return a.report, err
}

// audit is one audit under way.
type audit struct {
	src    Source
	opt    Options
	rules  *replica.Rules
	report Report

	final     []round.Summary // all final rounds; round r at place r
	begin     protocol.Digest // state root before round 0
	named     map[protocol.Round]protocol.Digest
	last      protocol.Published // the last checkpoint on the record
	shelved   []uint64           // rounds with a checkpoint
	model     *replica.Model     // nil while the model is not known
	numPlanes int                // of the outer optimizer
}

// record replays the record: chain, signatures, rules, ledger.
func (a *audit) record(ctx context.Context) error {
	rep := round.NewReplica(a.src.Manifest)
	a.begin = rep.Machine.Current().Root
	a.named = map[protocol.Round]protocol.Digest{}
	err := a.src.Record.Entries(ctx, func(entry []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := rep.Chain.Next
		effects, err := rep.Feed(entry)
		if err != nil {
			return (&Mismatch{What: "record", Entry: &at, Means: meaning(err)}).because(err)
		}
		for _, e := range effects {
			if m, ok := e.(round.Merged); ok {
				if err := a.finished(rep.Machine, m.Summary); err != nil {
					return err
				}
			}
		}
		if p := rep.Machine.Saved(); p != a.last {
			a.last, a.named[p.Round] = p, p.Manifest
		}
		a.report.Entries = rep.Chain.Next
		a.opt.Progress(Entries, rep.Chain.Next, 0)
		return nil
	})
	total := rep.Machine.Ledger().Network()
	a.report.Supply = Supply{uint64(total.Genesis), uint64(total.Emitted), uint64(total.Burned)}
	if err == nil && rep.Chain.Next == 0 {
		return errors.New("the record is empty: the run never began")
	}
	return err
}

// meaning says what a record that cannot be replayed means.
func meaning(err error) string {
	switch {
	case errors.Is(err, protocol.ErrMalformed):
		return "its bytes were changed or are damaged"
	case protocol.ReasonOf(err) == protocol.BadSignature:
		return "its bytes were changed after it was signed, or somebody else wrote it"
	case protocol.ReasonOf(err) == protocol.Internal:
		return "entries were removed, inserted or put into another order"
	}
	return "the coordinator recorded what the run's rules forbid"
}

// finished keeps what the rounds to come need of a final one, and checks the
// ledger after it.
func (a *audit) finished(m *round.Machine, s round.Summary) error {
	kept := s.Outcomes[:0:0]
	for _, o := range s.Outcomes {
		if o.Verdict.Reason == protocol.OK {
			kept = append(kept, o)
		}
	}
	s.Outcomes, s.Workers, s.Due = kept, nil, nil
	a.final = append(a.final, s)
	if err := balance(m); err != nil {
		return (&Mismatch{What: "ledger", Means: "money came from nowhere or went nowhere"}).because(err).in(s.Round)
	}
	return nil
}

// balance adds up the whole ledger.
func balance(m *round.Machine) error {
	if err := m.Ledger().Audit(); err != nil {
		return err
	}
	if limit := m.Manifest().Economy.Cap; m.Supply() > limit {
		return fmt.Errorf("%d units exist, the cap is %d", m.Supply(), limit)
	}
	return nil
}
