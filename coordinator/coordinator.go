package coordinator

// This file holds the coordinator and its way up from the record on disk.

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// Journal keeps the record's encoded entries.
type Journal interface {
	Len() uint64
	Append(entries [][]byte) error
	Read(from uint64, most int) ([][]byte, error)
}

// Payloads keeps payloads by digest.
type Payloads interface {
	Offset(digest [32]byte) (int64, error)
	Append(ctx context.Context, digest [32]byte, size, offset int64, r io.Reader) (int64, error)
	Open(digest [32]byte) (io.ReadSeekCloser, int64, error)
}

// Shelf opens what it holds by digest; ok is false if it holds no such thing.
type Shelf interface {
	Open(ctx context.Context, digest protocol.Digest) (r io.ReadSeekCloser, size int64, ok bool)
}

// Config is what a coordinator is made of.
type Config struct {
	Key      ed25519.PrivateKey // the manifest's Coordinator
	Rules    *replica.Rules
	Journal  Journal
	Payloads Payloads
	Publish  *Publisher // nil: no checkpoints
	Shelves  []Shelf    // further places where payloads are looked for
	Archive  Archive    // of the ledger; nil: none is kept
	Prune    bool       // forget blocks that lie before the snapshots kept
	// StateEvery is how many blocks lie between two snapshots of the ledger: what who
	// begins from one executes at most. Default 100.
	StateEvery uint64
	Log        zerolog.Logger
	// Return is how long members get to come back after a restart before they
	// count as absent. Default 10 s.
	Return time.Duration
}

// Coordinator keeps one run's record.
type Coordinator struct {
	cfg   Config
	calls chan call
	saved chan protocol.Published

	// Owned by the clerk.
	machine *round.Machine
	chain   protocol.Chain
	timer   *time.Timer
	watch   watch
	witness witness

	ended chan struct{} // closed when the clerk has ended

	mu        sync.Mutex
	grown     chan struct{} // closed and replaced when the record grows
	connected map[protocol.NodeID]bool
	allowed   map[protocol.NodeID]int64 // bytes a member may still upload this round
}

// call asks the clerk to record an event, or to answer from the machine.
type call struct {
	event protocol.Event
	ask   func(*round.Machine)
	done  chan error
}

// New replays the journal and returns a coordinator that goes on where it ends.
func New(cfg Config) (*Coordinator, error) {
	man := cfg.Rules.Manifest
	if me := protocol.NodeID(cfg.Key.Public().(ed25519.PublicKey)); me != man.Coordinator {
		return nil, fmt.Errorf("coordinator: this key is %s, the run's coordinator is %s", me.Short(), man.Coordinator.Short())
	}
	if cfg.Return == 0 {
		cfg.Return = 10 * time.Second
	}
	if cfg.StateEvery == 0 {
		cfg.StateEvery = 100
	}
	c := &Coordinator{
		cfg: cfg, calls: make(chan call, 64), saved: make(chan protocol.Published, 1),
		timer: time.NewTimer(time.Hour), grown: make(chan struct{}), ended: make(chan struct{}),
		witness: witness{}, connected: map[protocol.NodeID]bool{}, allowed: map[protocol.NodeID]int64{},
	}
	c.timer.Stop()
	if cfg.Publish != nil {
		c.cfg.Shelves = append(slices.Clone(cfg.Shelves), cfg.Publish)
	}
	if err := c.replay(); err != nil {
		return nil, fmt.Errorf("coordinator: %w", err)
	}
	return c, nil
}

// replayBatch is how many entries are read at once.
const replayBatch = 1024

func (c *Coordinator) replay() error {
	rep := round.NewReplica(c.cfg.Rules.Manifest)
	for rep.Chain.Next < c.cfg.Journal.Len() {
		entries, err := c.cfg.Journal.Read(rep.Chain.Next, replayBatch)
		if err != nil {
			return err
		}
		for _, e := range entries {
			effects, err := rep.Feed(e)
			if err != nil {
				return fmt.Errorf("the record on disk is damaged: %w", err)
			}
			c.tell(effects)
			if err := c.keep(c.leavesOf(rep.Machine, effects)); err != nil {
				return err
			}
		}
	}
	c.machine, c.chain = rep.Machine, rep.Chain
	return nil
}

// tell hands finished rounds to the publisher.
func (c *Coordinator) tell(effects []round.Effect) {
	for _, e := range effects {
		if m, ok := e.(round.Merged); ok && c.cfg.Publish != nil {
			c.cfg.Publish.merged(m.Summary)
		}
	}
}

// Run keeps the record until ctx ends or the disk fails. It returns nil when ctx
// ended and the last checkpoint is written.
func (c *Coordinator) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.clerk(ctx) }) // ends with ctx
	if c.cfg.Publish != nil {
		g.Go(func() error { return c.cfg.Publish.run(ctx, c.saved, c.cfg.Log) }) // ends with ctx
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("coordinator: %w", err)
	}
	return nil
}
