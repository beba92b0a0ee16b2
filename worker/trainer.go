package worker

// This file holds the trainer: the goroutine that owns the engine.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lode/aggregation"
	"lode/coordinator/round"
	"lode/engine"
	"lode/gradient"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// task is one round's work.
type task struct {
	round   protocol.Round
	root    protocol.Digest
	seed    protocol.Digest
	workers int // on the roster
	index   int // of this worker
}

// sent is an update on its way: its verdict decides what the residual becomes.
type sent struct {
	task   task
	update *gradient.Update
	forged tensor.Flat // what is sent instead, nil if honest; length D
	commit protocol.Commit
	sealed replica.Sealed
	took   time.Duration // its training
}

type trainer struct {
	cfg  Config
	me   protocol.NodeID
	seen *sight

	// Owned by run.
	model    *replica.Model
	residual engine.Vector // e; once something is made, the a it was compressed from
	start    engine.Vector // θ_r, if placed
	placed   bool          // start has the values of model.Params
	sent     *sent
	newest   *round.Summary  // last round applied; nil before the first
	since    []round.Summary // rounds applied since the state file was written
	states   states
	again    []task // rounds that were sent after that, to be made again

	mu     sync.Mutex
	todo   *task           // newest task not yet begun
	stop   func()          // of the task in progress
	cancel func()          // stop, if a newer task may
	doing  task            // in progress, if cancel is set
	final  []round.Summary // finished rounds not yet applied
	ready  chan struct{}
}

func newTrainer(cfg Config, me protocol.NodeID, seen *sight) *trainer {
	return &trainer{cfg: cfg, me: me, seen: seen, ready: make(chan struct{}, 1)}
}

// finish hands over rounds that became final.
func (t *trainer) finish(final []round.Summary) {
	if len(final) == 0 {
		return
	}
	t.mu.Lock()
	t.final = append(t.final, final...)
	t.mu.Unlock()
}

// train hands over a task; an older one is forgotten, or ended if it was begun:
// it is of a round that is over, or of a roster that was dropped.
func (t *trainer) train(task task) {
	t.mu.Lock()
	t.todo = &task
	if t.cancel != nil && t.doing != task {
		t.cancel()
	}
	t.mu.Unlock()
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// drop ends work on rounds before the current one.
func (t *trainer) drop(current protocol.Round) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel != nil && t.doing.round < current {
		t.cancel()
	}
}

func (t *trainer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.ready:
		}
		t.mu.Lock()
		todo := t.todo
		t.todo = nil
		if todo == nil {
			t.mu.Unlock()
			continue
		}
		work, cancel := context.WithCancel(ctx)
		if t.doing, t.stop = *todo, cancel; len(t.again) == 0 {
			t.cancel = cancel // what is made again is made to its end, or would never be
		}
		t.mu.Unlock()
		err := t.insist(work, func() error { return t.do(work, *todo) })
		t.mu.Lock()
		t.stop, t.cancel = nil, nil
		t.mu.Unlock()
		stopped := work.Err() != nil
		cancel()
		var refusal *protocol.Refusal
		switch {
		case err == nil:
		case errors.As(err, &refusal), stopped && ctx.Err() == nil:
			t.cfg.Log.Warn().Err(err).Uint64("round", uint64(todo.round)).Msg("round not contributed to")
		default:
			return err
		}
	}
}

// insist calls f, which uses the engine, and goes on where that is lost: from the state
// that was saved last, as a new process of this worker would.
func (t *trainer) insist(ctx context.Context, f func() error) error {
	return engine.Insist(ctx, t.cfg.Engine, func(loss error) {
		t.cfg.Log.Warn().Err(loss).Msg("the engine is lost, starting it again")
	}, func() error { return t.restart(ctx) }, f)
}

// restart goes on from the state that was saved last.
func (t *trainer) restart(ctx context.Context) error {
	t.mu.Lock()
	t.final = append(slices.Clone(t.since), t.final...)
	t.mu.Unlock()
	t.since = nil
	return t.takeUp(ctx)
}

// do brings the model up to the task's round, trains, and sends the update.
func (t *trainer) do(ctx context.Context, k task) error {
	if len(t.again) > 0 && t.states.torn {
		if err := t.restart(ctx); err != nil {
			return err
		}
	}
	done, err := t.resend(ctx, k)
	if err == nil {
		err = t.catchUp(ctx, k.round)
	}
	if err == nil && !done {
		done, err = t.resend(ctx, k)
	}
	if err != nil {
		return err
	}
	if err := t.remake(ctx); done || err != nil {
		return err
	}
	t.give(k)
	if t.sent == nil || t.sent.task != k {
		began := time.Now()
		t.sent = nil // was made for a roster that was dropped, and not listed: the residual is the whole of a
		torn := t.states.torn
		t.states.torn = true
		made, err := t.make(ctx, k)
		if err != nil {
			return fmt.Errorf("round %d: %w", k.round, err)
		}
		t.sent, t.states.torn = made, torn
		if err := t.keep(ctx); err != nil {
			t.sent, t.states.torn = nil, true // nobody sees it: the residual is the whole of a
			return err
		}
		t.cfg.Log.Info().Uint64("round", uint64(k.round)).Float64("train_s", made.took.Seconds()).
			Float64("rest_s", (time.Since(began) - made.took).Seconds()).Msg("update made")
	}
	return t.send(ctx, t.sent)
}

// give lets newer tasks end the work on k from now on; one that is there already does.
func (t *trainer) give(k task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel = t.stop; t.cancel != nil && t.todo != nil && *t.todo != k {
		t.cancel()
	}
}

func (t *trainer) send(ctx context.Context, s *sent) error {
	if len(s.sealed.Payload) > 0 {
		if err := replica.Upload(ctx, t.cfg.Link, s.sealed.Payload); err != nil {
			return fmt.Errorf("upload for round %d: %w", s.task.round, err)
		}
	}
	msg := protocol.Sign(t.cfg.Key, t.cfg.Rules.Run, s.task.round, s.commit)
	err := replica.Submit(ctx, t.cfg.Link, msg)
	if protocol.ReasonOf(err) == protocol.Duplicate {
		return nil
	}
	return err
}

// catchUp applies the steps of finished rounds up to round n.
func (t *trainer) catchUp(ctx context.Context, n protocol.Round) error {
	t.mu.Lock()
	final := slices.Clone(t.final)
	t.mu.Unlock()
	done := 0
	defer func() {
		t.mu.Lock()
		t.final = t.final[done:]
		t.mu.Unlock()
	}()
	for i := range final {
		s := &final[i]
		if s.Round == t.model.Next {
			if err := t.remake(ctx); err != nil {
				return err
			}
			payload, err := t.cfg.Link.Fetch(ctx, s.Receipt.Payload, int64(t.cfg.Rules.MaxStep(s.Round)))
			if err != nil {
				return fmt.Errorf("merged step of round %d: %w", s.Round, err)
			}
			if err := t.apply(s, payload); err != nil {
				return err
			}
			if err := t.settle(s); err != nil {
				return err
			}
			t.newest = s
			t.since = append(t.since, *s)
		}
		done++
	}
	if t.model.Next > n {
		return protocol.Refuse(protocol.WrongRound, "round %d is over", n)
	}
	if t.model.Next != n {
		return fmt.Errorf("the model is before round %d, the run in round %d", t.model.Next, n)
	}
	return nil
}

// apply moves the model by a merged step, here and, once it is there, in the engine, whose
// parameters are then those that the receipt is held to.
func (t *trainer) apply(s *round.Summary, payload []byte) error {
	t.model.Beside = nil
	if t.placed {
		t.model.Beside = t.beside
	}
	err := t.model.Apply(s.Receipt, payload)
	if err != nil && t.placed {
		t.placed = false
		return fmt.Errorf("in the engine: %w", err)
	}
	return err
}

func (t *trainer) beside(step *aggregation.Step) (root [32]byte, err error) {
	l := t.cfg.Rules.Layout
	if err := engine.Subtract(l, t.start, step, gradient.Unclipped); err != nil {
		return root, err
	}
	return engine.Root(l, t.start)
}

// place has the engine begin with the model's parameters. They come from here once; then
// start follows the model.
func (t *trainer) place() error {
	l := t.cfg.Rules.Layout
	if !t.placed {
		if err := engine.Copy(l, t.start, t.model.Params); err != nil {
			return err
		}
		t.placed = true
	}
	return engine.Copy(l, t.cfg.Engine.Params(), t.start)
}

// settle turns what was sent into the residual that its verdict leaves.
func (t *trainer) settle(s *round.Summary) error {
	if t.sent == nil || t.sent.task.round != s.Round {
		return nil
	}
	was := t.sent
	t.sent = nil
	o, ok := s.Outcome(t.me)
	if !ok || o.Commit != was.commit {
		// A commit other than this one went out before its roster was dropped, and
		// arrived after: what was listed is not here to be taken out.
		return nil
	}
	switch o.Verdict.Reason {
	case protocol.OK:
		if was.forged != nil {
			return engine.Subtract(t.cfg.Rules.Layout, t.residual, was.update, gradient.Unclipped)
		}
		return engine.Subtract(t.cfg.Rules.Layout, t.residual, was.update, o.Verdict.Clip)
	case protocol.NoImprovement, protocol.NotNovel, protocol.NoWork, protocol.TooStrong:
		return engine.Subtract(t.cfg.Rules.Layout, t.residual, was.update, gradient.Unclipped)
	}
	return nil
}

// make trains one round and compresses what came of it.
func (t *trainer) make(ctx context.Context, k task) (*sent, error) {
	e, l := t.cfg.Engine, t.cfg.Rules.Layout
	if err := t.place(); err != nil {
		return nil, err
	}
	before, err := t.quality(ctx)
	if err != nil {
		return nil, err
	}
	steps := int(t.cfg.Rules.Manifest.Train.InnerSteps)
	if t.cfg.Conduct != nil {
		steps = t.cfg.Conduct.Steps(steps)
	}
	began := time.Now()
	loss, tokens, err := engine.Train(ctx, e, t.cfg.Rules.Hyper(k.round), steps, t.cfg.Rules.Held(e, k.round, t.start, t.cfg.Duties.Batches(ctx, k.round, k.seed, k.workers, k.index)))
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := t.quality(ctx)
	if err != nil {
		return nil, err
	}
	t.tell(Trained{k.round, before, after})
	codec, err := t.model.Codec()
	if err != nil {
		return nil, err
	}
	made := &sent{task: k, commit: protocol.Commit{Samples: t.samples()}, took: took}
	made.update, err = engine.Compress(e, codec, engine.Feedback{
		Decay:    float32(t.cfg.Rules.Manifest.Update.Decay) / 65536,
		Residual: t.residual, Start: t.start, Into: t.residual,
	})
	if err != nil {
		return nil, err
	}
	if t.cfg.Conduct != nil {
		if err := t.cfg.Conduct.Forge(ctx, t, made); err != nil {
			return nil, err
		}
	}
	if made.commit.Size > 0 { // forged as a whole
		return made, nil
	}
	made.commit.Tokens = tokens
	made.commit.Loss, _ = protocol.ToNanoNats(loss)
	if made.forged == nil {
		t.seal(made, made.update)
		return made, nil
	}
	u, err := gradient.Encode(l, codec, made.forged)
	if err != nil {
		return nil, err
	}
	t.seal(made, u)
	return made, nil
}

// seal completes payload and commit from what is sent.
func (t *trainer) seal(s *sent, u *gradient.Update) {
	s.sealed = t.cfg.Rules.Seal(t.cfg.Key, s.task.round, s.task.root, u)
	s.commit.StateRoot, s.commit.Seed = s.task.root, s.task.seed
	s.commit.Plain, s.commit.Cipher = s.sealed.Plain, s.sealed.Cipher
	s.commit.Size, s.commit.Kept = uint64(len(s.sealed.Payload)), uint64(u.NumKept())
}
