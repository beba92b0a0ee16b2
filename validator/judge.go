package validator

// This file holds the judge: the goroutine that owns engine and model and does
// one duty after the other.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// task is one duty with the round it belongs to, as it stood then.
type task struct {
	duty     duty
	round    *round.Round
	preimage protocol.Digest
	weights  []byte    // the transaction with this epoch's, nil if none is due
	at       round.Pin // where the record stood
}

type judge struct {
	cfg Config
	me  protocol.NodeID

	// Owned by run.
	model   *replica.Model
	memory  []remembered      // last rounds, oldest first
	passed  *aggregation.Step // of the round the model passed last; nil if not at hand
	updates map[protocol.NodeID]aggregation.Source
	pile    *replica.Pile  // where they lie
	opened  protocol.Round // round that they belong to
	sheet   *protocol.Sheet
	merged  *merged       // of the newest round, nil before it is merged
	beside  engine.Vector // see base; nil before it is needed
	vows    vows

	unsaid atomic.Bool     // weights were refused: the duty is to be done again
	wake   chan<- struct{} // the validator

	mu    sync.Mutex
	todo  []task
	final []round.Summary
	ready chan struct{}
}

func newJudge(cfg Config, me protocol.NodeID, wake chan<- struct{}) *judge {
	return &judge{cfg: cfg, me: me, ready: make(chan struct{}, 1), wake: wake}
}

// finish hands over rounds that became final.
func (j *judge) finish(final []round.Summary) {
	if len(final) == 0 {
		return
	}
	j.mu.Lock()
	j.final = append(j.final, final...)
	j.mu.Unlock()
	j.nudge()
}

// work hands over a duty.
func (j *judge) work(k task) {
	j.mu.Lock()
	j.todo = append(j.todo, k)
	j.mu.Unlock()
	j.nudge()
}

func (j *judge) nudge() {
	select {
	case j.ready <- struct{}{}:
	default:
	}
}

func (j *judge) take() (final []round.Summary, todo []task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	final, todo = j.final, j.todo
	j.final, j.todo = nil, nil
	return final, todo
}

func (j *judge) run(ctx context.Context) error {
	defer j.forget()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-j.ready:
		}
		final, todo := j.take()
		for i := range final {
			if err := j.persist(ctx, &final[i], len(final)-1-i); err != nil {
				return err
			}
		}
		for i, k := range todo {
			// Only the newest duty can still be wanted; list signatures are cheap
			// and count until the round ends.
			if i < len(todo)-1 && k.duty.kind != protocol.KindListSignature {
				continue
			}
			if err := j.do(ctx, k); err != nil {
				return err
			}
		}
	}
}

// do answers one duty. A refusal is logged: the record moved on.
func (j *judge) do(ctx context.Context, k task) error {
	body, err := j.swear(ctx, k, func() (protocol.Body, error) { return j.insist(ctx, k) })
	if err == nil && k.weights != nil { // before what may end the round, and with it the epoch
		j.say(ctx, k)
	}
	if err == nil {
		err = replica.Submit(ctx, j.cfg.Link, protocol.Sign(j.cfg.Key, j.cfg.Rules.Run, k.duty.round, body))
	}
	var refusal *protocol.Refusal
	switch {
	case err == nil, protocol.ReasonOf(err) == protocol.Duplicate:
		return nil
	case errors.As(err, &refusal), errors.Is(err, errStale):
		j.cfg.Log.Debug().Err(err).Uint64("round", uint64(k.duty.round)).Uint8("kind", uint8(k.duty.kind)).Msg("duty not done")
		return nil
	}
	return fmt.Errorf("round %d: %w", k.duty.round, err)
}

// weightsWait bounds the time in which weights are offered before a duty goes on.
const weightsWait = 5 * time.Second

// say tells the ledger this epoch's weights. Refused ones are signed anew, since the
// number of the transaction may have been used by another.
func (j *judge) say(ctx context.Context, k task) {
	some, cancel := context.WithTimeout(ctx, weightsWait)
	defer cancel()
	err := replica.Transact(some, j.cfg.Link, k.weights)
	if err == nil {
		return
	}
	j.cfg.Log.Warn().Err(err).Uint64("round", uint64(k.duty.round)).Msg("weights not taken")
	if protocol.ReasonOf(err) == protocol.NotApplied {
		j.unsaid.Store(true)
		go replica.WakeAfter(ctx, replica.EnterPause, j.wake) // ends with ctx, or soon
	}
}

// errStale says that a duty belongs to a round the model has not reached or has
// left.
var errStale = errors.New("the round moved on")

// insist answers a duty, once more where the engine is lost meanwhile: what it holds
// is put there anew by every measurement.
func (j *judge) insist(ctx context.Context, k task) (body protocol.Body, err error) {
	err = engine.Insist(ctx, j.cfg.Engine, func(loss error) {
		j.cfg.Log.Warn().Err(loss).Msg("the engine is lost, starting it again")
	}, func() error { return nil }, func() (err error) {
		body, err = j.answer(ctx, k)
		return err
	})
	return body, err
}

func (j *judge) answer(ctx context.Context, k task) (protocol.Body, error) {
	r := k.round
	if r.Number != j.model.Next && k.duty.kind != protocol.KindListSignature {
		return nil, fmt.Errorf("%w: the model is before round %d", errStale, j.model.Next)
	}
	switch k.duty.kind {
	case protocol.KindListSignature:
		return protocol.ListSignature{List: r.List}, nil
	case protocol.KindAttestation:
		findings, err := j.attest(ctx, r)
		return protocol.Attestation{List: r.List, Preimage: k.preimage, Findings: findings}, err
	case protocol.KindSheetCommit:
		// One that was kept may have been committed already, without an answer.
		sheet, err := j.sheetOf(ctx, r)
		if err != nil {
			return nil, err
		}
		return protocol.SheetCommit{Sheet: sheet.Digest(j.me)}, nil
	case protocol.KindSheetReveal:
		sheet, err := j.sheetOf(ctx, r)
		if err != nil {
			return nil, err
		}
		return protocol.SheetReveal{Sheet: *sheet}, nil
	case protocol.KindProposal:
		return j.propose(ctx, r)
	case protocol.KindCoSign:
		return j.coSign(ctx, r)
	}
	return nil, fmt.Errorf("validator: nothing is known of duty %d", k.duty.kind)
}

// persist concludes a round, trying again for as long as payloads are not to be
// had: a coordinator that holds them back must not be able to end a validator.
func (j *judge) persist(ctx context.Context, s *round.Summary, behind int) error {
	pause := backoff.NewExponentialBackOff(backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(0))
	return backoff.Retry(func() error {
		err := j.conclude(ctx, s, behind)
		var refusal *protocol.Refusal
		if err != nil && !errors.As(err, &refusal) {
			return backoff.Permanent(err)
		}
		if err != nil {
			j.cfg.Log.Warn().Err(err).Uint64("round", uint64(s.Round)).Msg("cannot follow yet")
		}
		return err
	}, backoff.WithContext(pause, ctx))
}

// conclude moves the model past a final round. behind is how many more final
// rounds wait after it.
func (j *judge) conclude(ctx context.Context, s *round.Summary, behind int) error {
	window := int(j.cfg.Rules.Manifest.Score.Window)
	if s.Round < j.model.Next {
		if behind <= window { // remembered for novelty only
			j.remember(ctx, s, behind < window)
		}
		return nil
	}
	if s.Round != j.model.Next {
		return fmt.Errorf("round %d is final, the model is before round %d", s.Round, j.model.Next)
	}
	accepted, pile, err := j.accepted(ctx, s)
	if err != nil && len(j.model.Outer) == 0 {
		// The merged step leads to the same place, only unproven by this validator.
		j.cfg.Log.Warn().Err(err).Uint64("round", uint64(s.Round)).Msg("following by the merged step alone")
		if err := j.model.Catch(ctx, j.cfg.Link, s); err != nil {
			return err
		}
		j.remember(ctx, s, false)
		return nil
	}
	if err != nil {
		return err
	}
	var found *replica.Merged
	if m := j.merged; m != nil && m.round == s.Round && m.Plain == s.Receipt.Step {
		found = m.Merged
	} else if found, err = j.model.Merge(accepted); err != nil {
		return err
	}
	if err := j.model.Adopt(found, s.Receipt); err != nil {
		return fmt.Errorf("the run went on with a merge that this validator cannot reproduce: %w", err)
	}
	j.merged, j.sheet = nil, nil
	if pile != j.pile {
		j.drop(j.pile)
	}
	j.updates, j.pile, j.passed = nil, nil, found.Step
	j.keep(s, accepted, pile, found.Step)
	if s.Round%saveEvery == 0 || behind == 0 && s.EndsEpoch() {
		return j.save(ctx)
	}
	return nil
}
