package main

// This file watches a run from outside: everything shown is read from the record.

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"time"

	"lode/cmd/lode/internal/audit"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
	"lode/transport"
	"lode/validator/score"
	"lode/yuma/ledger"
)

// watch is what has been seen of a run.
type watch struct {
	*round.Replica
	fp32    float64 // bytes of the parameters
	token   float64 // mean bytes of its text
	ratings map[protocol.NodeID]score.Rating
	refused map[protocol.NodeID]map[protocol.Reason]int
	late    map[protocol.NodeID]int // rounds on the roster without a listed commit
	first   protocol.NanoNats       // held-out loss after the first round
	tokens  uint64                  // trained on, merged or not
	last    round.Summary
	closed  protocol.Instant // of the round before last
}

// see takes in a finished round.
func (w *watch) see(s round.Summary) roundLine {
	w.closed = w.last.Closed
	if s.Round == 0 {
		w.first = s.HeldOut
	}
	w.last = s
	for _, n := range s.Workers {
		if _, ok := s.Outcome(n); !ok {
			w.late[n]++
		}
	}
	for _, o := range s.Outcomes {
		w.tokens += o.Commit.Tokens
		if o.Verdict.Reason != protocol.OK {
			if w.refused[o.Worker] == nil {
				w.refused[o.Worker] = map[protocol.Reason]int{}
			}
			w.refused[o.Worker][o.Verdict.Reason]++
		}
	}
	w.rate(s)
	return w.line(s)
}

// rate updates the ratings from the scores of a round; a refused update counts
// as no improvement.
func (w *watch) rate(s round.Summary) {
	if len(s.Outcomes) < 2 {
		return
	}
	ratings, results := make([]score.Rating, len(s.Outcomes)), make([]float64, len(s.Outcomes))
	for i, o := range s.Outcomes {
		r, known := w.ratings[o.Worker]
		if !known {
			r = score.NewRating()
		}
		ratings[i] = r
		if o.Verdict.Reason == protocol.OK {
			results[i] = o.Verdict.Score.Nats()
		}
	}
	for i, r := range score.Rate(ratings, results) {
		w.ratings[s.Outcomes[i].Worker] = r
	}
}

// roundLine is one round as it is printed.
type roundLine struct {
	Event      string  `json:"event"` // "round"
	Round      uint64  `json:"round"`
	TrainLoss  float64 `json:"train_loss"`    // nats per token, mean of the workers
	ValLoss    float64 `json:"val_loss"`      // nats per token, a held-out sample
	Bits       float64 `json:"bits_per_byte"` // of ValLoss, at the corpus's mean length of a token
	Accepted   int     `json:"accepted"`
	Updates    int     `json:"updates"`
	Workers    int     `json:"workers"`
	UpBytes    uint64  `json:"update_bytes"`
	DownBytes  uint64  `json:"step_bytes"`
	DenseBytes uint64  `json:"dense_bytes"` // the same updates as fp32 parameters
	Tokens     uint64  `json:"tokens"`
	Rate       float64 `json:"tokens_per_s"`
	Seconds    float64 `json:"seconds"`
	Best       string  `json:"best_paid"`
	// Phases is how long the round was in each of its phases, milliseconds.
	Phases map[string]float64 `json:"phase_ms"`
}

func (w *watch) line(s round.Summary) roundLine {
	l := roundLine{
		Event: "round", Round: uint64(s.Round), Updates: len(s.Outcomes), Workers: len(s.Workers),
		ValLoss: s.HeldOut.Nats(), Bits: s.HeldOut.Nats() / math.Ln2 / w.token, DownBytes: uint64(s.Receipt.Size),
	}
	began := s.Opened
	if w.closed != 0 {
		began = w.closed
	}
	l.Seconds = s.Closed.Sub(began).Seconds()
	for _, o := range s.Outcomes {
		l.TrainLoss += o.Commit.Loss.Nats() / float64(len(s.Outcomes))
		l.UpBytes += o.Commit.Size
		l.Tokens += o.Commit.Tokens
		if o.Verdict.Reason == protocol.OK {
			l.Accepted++
		}
	}
	l.DenseBytes = uint64(w.fp32) * uint64(len(s.Outcomes))
	l.Rate = float64(l.Tokens) / max(l.Seconds, 1e-9)
	l.Best = w.best(s)
	l.Phases = map[string]float64{}
	for p, span := range s.Spent {
		l.Phases[round.Phase(p).String()] = 1000 * span.Seconds()
	}
	return l
}

// best names who was paid most by the last epoch, or as long as no worker was paid
// who scored best.
func (w *watch) best(s round.Summary) string {
	best := slices.MaxFunc(append(s.Outcomes, round.Outcome{}), func(a, b round.Outcome) int {
		return cmp.Or(cmp.Compare(w.paid(a.Worker), w.paid(b.Worker)), cmp.Compare(a.Verdict.Score, b.Verdict.Score))
	})
	return w.name(best.Worker)
}

// paid is what the last epoch credited.
func (w *watch) paid(n protocol.NodeID) ledger.Amount {
	p, _ := w.Machine.Place(n)
	return p.Emission
}

func (w *watch) name(n protocol.NodeID) string {
	if x, ok := w.Machine.Member(n); ok {
		return x.Name
	}
	return ""
}

// train starts the processes and watches until the run's end, Ctrl-C, or a
// failure; then it ends them.
func (h *house) train(ctx context.Context, out *screen, stderr io.Writer) (*watch, error) {
	var env []string
	if h.flags.store.secret != "" {
		env = append(env, "AWS_SECRET_ACCESS_KEY="+h.flags.store.secret)
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	fam := newFamily(h.dir, env, func(format string, args ...any) { out.note(stderr, fmt.Sprintf(format, args...)) }, fail)
	defer func() {
		out.stopping()
		fam.stop("worker", "validator")
		out.cpu, out.used = fam.used()
	}()
	link, err := h.start(ctx, fam)
	if err != nil {
		return nil, failedOr(ctx, err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	session := transport.NewSession(ctx, link.Addr, link.Coordinator, key, transport.Hello{
		Version: protocol.Version, Run: link.Run, Role: protocol.Observer, Software: software(),
	}, transport.Options{})
	defer session.Close()
	w, err := h.follow(ctx, session, out)
	return w, failedOr(ctx, err)
}

// failedOr returns the failure that ended ctx, if it was one, or else err.
func failedOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// errDone ends a watch as planned.
var errDone = errors.New("done")

// watch returns a watch that has seen nothing yet.
func (h *house) watch() *watch {
	return &watch{
		Replica: round.NewReplica(h.manifest), fp32: 4 * float64(h.rules.Layout.Len()), token: h.corpus.BytesPerToken,
		ratings: map[protocol.NodeID]score.Rating{}, refused: map[protocol.NodeID]map[protocol.Reason]int{},
		late: map[protocol.NodeID]int{},
	}
}

// follow reads the record until the run has gone as far as it should.
func (h *house) follow(ctx context.Context, session *transport.Session, out *screen) (*watch, error) {
	w := h.watch()
	timed, cancel := ctx, context.CancelFunc(func() {})
	if h.state.Left > 0 {
		timed, cancel = context.WithTimeout(ctx, h.state.Left)
	}
	defer cancel()
	began := time.Now()
	left, show := h.state.Left, h.showing(w, out)
	err := replica.Follow(timed, session, w.Replica, func(final []round.Summary) error {
		show(final)
		if len(final) > 0 {
			if left > 0 {
				h.state.Left = max(time.Second, left-time.Since(began))
			}
			if err := h.save(); err != nil {
				return err
			}
		}
		if h.state.Until > 0 && h.state.Rounds >= h.state.Until {
			return errDone
		}
		return nil
	})
	h.state.Finished = errors.Is(err, errDone) || ctx.Err() == nil && timed.Err() != nil
	if h.state.Finished {
		h.state.Until, h.state.Left = 0, 0
	}
	if err := h.save(); err != nil {
		return w, err
	}
	if h.state.Finished || ctx.Err() != nil {
		return w, nil
	}
	return w, err
}

// showing returns what takes in finished rounds and prints those that no earlier
// call of lode up has printed.
func (h *house) showing(w *watch, out *screen) func([]round.Summary) {
	shown, began := h.state.Rounds, time.Now()
	return func(final []round.Summary) {
		for _, s := range final {
			line := w.see(s)
			if uint64(s.Round) >= shown {
				out.round(line, h.state, time.Since(began))
			}
			h.state.Rounds = max(h.state.Rounds, uint64(s.Round)+1)
		}
	}
}

// rest takes in what came onto the record while the processes ended: a round may
// have been finished.
func (h *house) rest(ctx context.Context, w *watch, out *screen) error {
	src, done, err := auditSource(ctx, h.dir, io.Discard)
	if err != nil {
		return err
	}
	defer done()
	show := h.showing(w, out)
	err = replica.Follow(ctx, ended{src.Record}, w.Replica, func(final []round.Summary) error {
		show(final)
		return nil
	})
	return errors.Join(err, h.save())
}

// ended is the record of a run that is stopped.
type ended struct{ audit.Record }

// Follow implements replica.Record.
func (e ended) Follow(ctx context.Context, from uint64, each func([]byte) error) error {
	return e.Entries(ctx, func(entry []byte) error {
		if from > 0 {
			from--
			return nil
		}
		return each(entry)
	})
}

func (h *house) storeAddress() string {
	if h.flags.store.url != "" {
		return h.flags.store.url
	}
	return filepath.Join(h.flags.dir, "store")
}
