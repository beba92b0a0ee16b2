package solo

// This file holds the trainer: rounds, one after the other.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"lode/engine"
	"lode/protocol"
	"lode/replica"
	"lode/tensor"
)

// MaxWorkers bounds [Config].Workers.
const MaxWorkers = 1024

// Duties are where batches come from.
type Duties interface {
	// Batches yields the H batches of one of so many workers in a round with that seed.
	Batches(ctx context.Context, n protocol.Round, seed protocol.Digest, workers, worker int) iter.Seq2[engine.Batch, error]
}

// Config says what is trained and how.
type Config struct {
	Rules   *replica.Rules
	Duties  Duties
	Engine  func() (engine.Engine, error) // opens an engine of the rules' model; the trainer closes it
	Lost    func(error)                   // is told when an engine is lost, before it is opened again; may be nil
	Workers int                           // W, 1 to [MaxWorkers]
	Apart   bool                          // workers train apart and send updates; otherwise they share every step
}

// Trainer trains round by round.
type Trainer struct {
	cfg     Config
	engines engines
	way     way
	done    totals
	norm    float64 // of the gradient of the last step, see [Point]
	saved   []byte  // the state after the last round, if an engine may be lost
}

// totals are what a trainer has done so far.
type totals struct {
	_        struct{} `cbor:",toarray"`
	Rounds   uint64
	Tokens   uint64 // of all workers
	Up, Down uint64 // bytes that all workers have sent, and each received
	// Since the last point: the losses of so many rounds, added up.
	Loss    float64
	Lossful uint64
}

// way is one of the two ways to train. Its first parameters are the rules'.
type way interface {
	// round takes the H steps of round n and adds what it did.
	round(ctx context.Context, n protocol.Round, to *totals) error
	// model returns an engine with the parameters as they stand.
	model() (engine.Engine, error)
	// write and read are the state before round next.
	write(w io.Writer) error
	read(r io.Reader, next protocol.Round) error
}

// New returns a trainer before its first round.
func New(cfg Config) (_ *Trainer, err error) {
	if cfg.Workers < 1 || cfg.Workers > MaxWorkers {
		return nil, fmt.Errorf("%d workers, want 1 to %d", cfg.Workers, MaxWorkers)
	}
	t := &Trainer{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	num := 1
	if cfg.Apart {
		num = cfg.Workers
	}
	for range num {
		e, err := cfg.Engine()
		if err != nil {
			return nil, err
		}
		t.engines = append(t.engines, e)
		if err := cfg.Rules.Fit(e); err != nil {
			return nil, err
		}
	}
	if cfg.Apart {
		t.way, err = newApart(cfg, t.engines)
	} else {
		t.way, err = newTogether(cfg, t.engines[0])
	}
	if err == nil {
		err = t.save()
	}
	return t, err
}

// Close closes the engines.
func (t *Trainer) Close() error {
	var errs []error
	for _, e := range t.engines {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

// Rounds returns how many rounds were trained.
func (t *Trainer) Rounds() int { return int(t.done.Rounds) }

// Tokens returns on how many tokens.
func (t *Trainer) Tokens() uint64 { return t.done.Tokens }

// Round trains one more, from its beginning again if an engine was lost. After an error
// the trainer is of no further use.
func (t *Trainer) Round(ctx context.Context) error {
	n := t.done.Rounds
	if err := t.insist(ctx, func() error { return t.round(ctx, protocol.Round(n)) }); err != nil {
		return fmt.Errorf("round %d: %w", n, err)
	}
	return nil
}

func (t *Trainer) round(ctx context.Context, n protocol.Round) (err error) {
	if err := t.way.round(ctx, n, &t.done); err != nil {
		return err
	}
	if t.norm, err = t.gradNorm(); err != nil {
		return err
	}
	t.done.Rounds++
	t.done.Lossful++
	return t.save()
}

// Params reads the parameters as they stand.
func (t *Trainer) Params() (tensor.Reader, error) {
	e, err := t.way.model()
	if err != nil {
		return nil, err
	}
	return e.Params(), nil
}

// Loss returns the mean loss over batches of one size.
func (t *Trainer) Loss(ctx context.Context, batches []engine.Batch) (mean float64, err error) {
	err = t.insist(ctx, func() error {
		mean, err = t.loss(batches)
		return err
	})
	return mean, err
}

func (t *Trainer) loss(batches []engine.Batch) (float64, error) {
	e, err := t.way.model()
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, b := range batches {
		loss, err := e.Loss(b)
		if err != nil {
			return 0, err
		}
		sum += loss
	}
	return sum / float64(max(len(batches), 1)), nil
}

// gradNorm returns the norm of the gradient of the last step, before clipping; of
// workers apart the mean of theirs.
func (t *Trainer) gradNorm() (float64, error) {
	sum := 0.0
	for _, e := range t.engines {
		n, err := engine.Norm(e.Layout(), e.Grad())
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum / float64(len(t.engines)), nil
}

// dutySeed deals the text of round n.
func dutySeed(r *replica.Rules, n protocol.Round) protocol.Digest {
	return protocol.Hash("solo round", r.Manifest.Seed[:], binary.LittleEndian.AppendUint64(nil, uint64(n)))
}
