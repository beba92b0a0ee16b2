package worker

// This file holds the worker: following the record, answering what is owed.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/coordinator/round"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// Duties gives the batches that a worker must train on in a round: the shard that
// seed and place on the roster assign, or the worker's own data.
type Duties interface {
	Batches(ctx context.Context, n protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error]
}

// Config is what a worker is made of.
type Config struct {
	Key    ed25519.PrivateKey
	Owner  ed25519.PrivateKey   // of the account that is paid; nil: the node's own
	Name   string               // for people; see protocol.IsNodeName
	Invite *protocol.InviteSeed // nil where the run is open
	Rules  *replica.Rules
	Duties Duties
	Engine engine.Engine // must fit the rules
	Link   replica.Link
	Files  replica.Files
	Log    zerolog.Logger
	// Tell hears what training on own data did, as soon as it is done; nil: nobody does.
	// Duties that are [Own] are of such data.
	Tell func(Trained)
	// Conduct changes what is sent; nil is honest.
	Conduct Conduct
	// Every is how many rounds one writing of the state serves, of at most 64; those after it are
	// trained again by who is killed. Zero: as many as it takes to write for no more than a fiftieth of
	// the time.
	Every int
	// Head is the length the record had when the link came up: nothing is done
	// before the record has been replayed that far.
	Head uint64
}

// Worker is one worker of one run.
type Worker struct {
	cfg     Config
	me      protocol.NodeID
	replica *round.Replica
	trainer *trainer
	seen    *sight

	asked duty          // last duty handed on
	again atomic.Int32  // joins that the ledger refused, to be made anew
	wake  chan struct{} // looks at the record again
}

// duty names one thing that is owed. The seed tells rosters of one round apart.
type duty struct {
	round protocol.Round
	seed  protocol.Digest
	kind  protocol.Kind
}

// New returns a worker; it fails where the engine does not fit the rules.
func New(cfg Config) (*Worker, error) {
	if err := cfg.Rules.Fit(cfg.Engine); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if _, ok := cfg.Conduct.(boast); ok && cfg.Rules.Manifest.Merge.MaxSamples == 0 {
		return nil, errors.New("worker: nobody can boast in a run that weighs updates alike (merge.max_samples 0)")
	}
	w := &Worker{
		cfg:     cfg,
		me:      protocol.NodeID(cfg.Key.Public().(ed25519.PublicKey)),
		replica: round.NewReplica(cfg.Rules.Manifest),
		seen:    new(sight),
		wake:    make(chan struct{}, 1),
	}
	w.trainer = newTrainer(cfg, w.me, w.seen)
	return w, nil
}

// Run works until ctx ends or something cannot be mended by trying again. It
// returns nil when ctx ended.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.trainer.load(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.trainer.run(ctx) }) // ends with ctx
	g.Go(func() error {                              // ends with ctx or the record
		return replica.FollowWoken(ctx, w.cfg.Link, w.replica, w.wake, func(final []round.Summary) error {
			return w.changed(ctx, g, final)
		})
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}

// changed looks at what the record brought.
func (w *Worker) changed(ctx context.Context, g *errgroup.Group, final []round.Summary) error {
	w.trainer.finish(final)
	m := w.replica.Machine
	cur := m.Current()
	w.seen.look(w.me, cur)
	w.trainer.drop(cur.Number)
	if w.replica.Chain.Next < w.cfg.Head {
		return nil
	}
	w.reportAll(final)
	if x, member := m.Member(w.me); member && x.Role != protocol.Worker {
		return fmt.Errorf("this key joined the run as a %v; a worker needs a key of its own (another --dir)", x.Role)
	}
	kind, ok := m.Owes(w.me)
	d := duty{cur.Number, cur.Seed, kind}
	if kind == protocol.KindJoin {
		d = duty{round: protocol.Round(w.again.Load()), kind: kind}
	}
	if !ok || d == w.asked {
		return nil
	}
	w.asked = d
	return w.answer(ctx, g, d)
}

// maxReported is of how many rounds that are learnt of at once each is a line in the log.
const maxReported = 8

// reportAll logs a line for each round, or one for all where the record is replayed.
func (w *Worker) reportAll(final []round.Summary) {
	level := zerolog.InfoLevel
	if len(final) > maxReported {
		w.cfg.Log.Info().Int("rounds", len(final)).Msg("rounds that were final before are replayed")
		level = zerolog.DebugLevel
	}
	for i := range final {
		w.report(&final[i], level)
	}
}

// report logs what became of this worker's update in a finished round.
func (w *Worker) report(s *round.Summary, level zerolog.Level) {
	what := "not on the list"
	if o, ok := s.Outcome(w.me); ok {
		what = o.Verdict.Reason.String()
	}
	w.cfg.Log.WithLevel(level).Uint64("round", uint64(s.Round)).Str("update", what).
		Float64("held_out", s.HeldOut.Nats()).Msg("round final")
}

// answer does what is owed, without making the record wait.
func (w *Worker) answer(ctx context.Context, g *errgroup.Group, d duty) error {
	cur := w.replica.Machine.Current()
	switch d.kind {
	case protocol.KindJoin:
		join := protocol.Join{Role: protocol.Worker, Name: w.cfg.Name}
		if w.cfg.Invite != nil {
			join.Invitation = w.cfg.Invite.Invite(w.cfg.Rules.Run, w.me)
		}
		var err error
		e := replica.Entry{Node: w.cfg.Key, Owner: w.cfg.Owner, Invite: w.cfg.Invite, Role: protocol.Worker}
		if join.Enter, err = replica.Enter(w.replica.Machine, e); err != nil {
			return err
		}
		g.Go(func() error { return w.join(ctx, join) }) // ends with the answer or ctx
	case protocol.KindCommit:
		index, _ := cur.WorkerIndex(w.me)
		w.trainer.train(task{
			round: cur.Number, root: cur.Root, seed: cur.Seed,
			workers: len(cur.Workers), index: index,
		})
	case protocol.KindReveal:
		plain := cur.Entry(w.me).Commit.Plain
		key := protocol.PayloadKey(w.cfg.Key, w.cfg.Rules.Run, d.round, plain)
		g.Go(func() error { // ends with the answer or ctx
			if err := w.submit(ctx, d.round, protocol.Reveal{Key: key}); err != nil {
				w.cfg.Log.Warn().Err(err).Uint64("round", uint64(d.round)).Msg("key not taken")
			}
			return ctx.Err()
		})
	}
	return nil
}

// join asks for membership; a run that says no ends the worker.
func (w *Worker) join(ctx context.Context, j protocol.Join) error {
	err := w.submit(ctx, 0, j)
	switch reason := protocol.ReasonOf(err); {
	case reason == protocol.Duplicate:
		return nil
	case reason == protocol.NotApplied && w.again.Add(1) < replica.EnterTries:
		w.cfg.Log.Debug().Err(err).Msg("joining again")
		replica.WakeAfter(ctx, replica.EnterPause, w.wake)
		return nil
	}
	return err
}

func (w *Worker) submit(ctx context.Context, r protocol.Round, body protocol.Body) error {
	return replica.Submit(ctx, w.cfg.Link, protocol.Sign(w.cfg.Key, w.cfg.Rules.Run, r, body))
}
