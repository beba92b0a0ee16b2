package coordinator

// This file holds the publisher: it follows merged steps and writes checkpoints.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lode/checkpoints"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// Publisher writes checkpoints of a run to a store. It holds a model of its own
// and moves it by the merged steps that the record names; every checkpoint has
// been compared with its receipt.
type Publisher struct {
	cfg PublisherConfig

	mu    sync.Mutex
	queue []round.Summary
	files map[protocol.Digest]stored // of the last checkpoint
	ready chan struct{}

	// Owned by run.
	model  *replica.Model
	parent protocol.Digest // manifest of the last checkpoint
	wrote  protocol.Round  // round of the last checkpoint, 0 for none
	newest round.Summary   // of the round before model.Next
	failed bool            // the last attempt to write a checkpoint
}

// stored is a file of a checkpoint.
type stored struct {
	name string
	size int64
}

// PublisherConfig is what a publisher is made of.
type PublisherConfig struct {
	Store checkpoints.Store
	Key   ed25519.PrivateKey // of the coordinator
	Rules *replica.Rules
	// Tokenizer is the tokenizer.json that goes with every checkpoint; nil: none.
	Tokenizer []byte
	From      replica.Fetcher // has the payloads
	// Scratch is where updates lie where they must be merged again; nil: in memory.
	Scratch replica.Scratch
	Every   protocol.Round // rounds from one checkpoint to the next, at least 1
}

// NewPublisher returns a publisher that writes a checkpoint every so many rounds
// and one at the end.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	model, err := replica.NewModel(cfg.Rules)
	if err != nil {
		return nil, err
	}
	model.Scratch, cfg.Every = cfg.Scratch, max(1, cfg.Every)
	return &Publisher{cfg: cfg, model: model, files: map[protocol.Digest]stored{}, ready: make(chan struct{}, 1)}, nil
}

func (p *Publisher) merged(s round.Summary) {
	p.mu.Lock()
	p.queue = append(p.queue, s)
	p.mu.Unlock()
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// oldest returns the oldest round not yet followed, and whether others wait
// behind it; nil if there is none.
func (p *Publisher) oldest() (s *round.Summary, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, false
	}
	return &p.queue[0], len(p.queue) > 1
}

// run follows until ctx ends, then writes what is not in a checkpoint yet.
func (p *Publisher) run(ctx context.Context, saved chan<- protocol.Published, log zerolog.Logger) error {
	if err := p.resume(ctx, saved); ctx.Err() != nil {
		return nil // nothing was followed yet
	} else if err != nil {
		return err
	}
	for {
		s, more := p.oldest()
		for ; s != nil && ctx.Err() == nil; s, more = p.oldest() {
			if err := p.follow(ctx, s); err != nil && ctx.Err() == nil {
				return err
			}
			if !p.due(more) || ctx.Err() != nil {
				continue
			}
			// A store that fails now must not stop the record.
			m, err := p.write(ctx)
			if p.failed = err != nil; p.failed {
				log.Warn().Err(err).Msg("no checkpoint was written, trying again after the next round")
				continue
			}
			p.announce(ctx, m, saved)
		}
		select {
		case <-ctx.Done():
			return p.last(context.WithoutCancel(ctx))
		case <-p.ready:
		}
	}
}

// resume takes up the run's last checkpoint, if there is one, and announces it:
// the one that a stopping coordinator wrote is not on the record yet.
func (p *Publisher) resume(ctx context.Context, saved chan<- protocol.Published) error {
	m, err := checkpoints.Latest(ctx, p.cfg.Store, p.cfg.Rules.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("last checkpoint: %w", err)
	}
	p.parent, p.wrote = m.Digest(), protocol.Round(m.Round)
	p.shelve(m)
	p.announce(ctx, m, saved)
	return nil
}

func (p *Publisher) announce(ctx context.Context, m checkpoints.Manifest, saved chan<- protocol.Published) {
	select {
	case saved <- protocol.Published{Round: protocol.Round(m.Round), Manifest: protocol.Sum(m.Encode())}:
	case <-ctx.Done():
	}
}

// follow moves the model past the oldest round of the queue and takes it off.
func (p *Publisher) follow(ctx context.Context, s *round.Summary) error {
	if err := p.model.Catch(ctx, p.cfg.From, s); err != nil {
		return fmt.Errorf("publisher: %w", err)
	}
	p.newest = *s
	p.mu.Lock()
	p.queue = p.queue[1:]
	p.mu.Unlock()
	return nil
}

// due reports whether the model's state is to be written: where a whole number
// of cadences passed since the last checkpoint. After a failure the state is
// written once nothing else waits.
func (p *Publisher) due(more bool) bool {
	return p.model.Next/p.cfg.Every > p.wrote/p.cfg.Every && !(p.failed && more)
}

// last writes the state a stopping coordinator leaves.
func (p *Publisher) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for s, _ := p.oldest(); s != nil; s, _ = p.oldest() {
		if err := p.follow(ctx, s); err != nil {
			return err
		}
	}
	if p.model.Next <= p.wrote {
		return nil
	}
	_, err := p.write(ctx)
	return err
}

// write writes the model's state, which p.newest led to.
func (p *Publisher) write(ctx context.Context) (checkpoints.Manifest, error) {
	info := map[string]string{
		"name":               p.cfg.Rules.Manifest.Name,
		"held_out_loss_nats": strconv.FormatFloat(p.newest.HeldOut.Nats(), 'f', 6, 64),
	}
	var extra []checkpoints.Extra
	if t := p.cfg.Tokenizer; t != nil {
		extra = append(extra, checkpoints.Extra{Name: checkpoints.TokenizerFile, Size: int64(len(t)), Content: bytes.NewReader(t)})
	}
	m, err := checkpoints.Write(ctx, p.cfg.Store, checkpoints.Draft{
		Run: p.cfg.Rules.Run, Round: uint64(p.model.Next), StateRoot: p.newest.Root, Parent: p.parent,
		Info: info, Layout: p.cfg.Rules.Layout, Model: p.model.Params, Config: p.cfg.Rules.Model.Config(),
		State: outerTensors(p.model), Extra: extra, Sign: checkpoints.SignWith(p.cfg.Key),
	})
	if err != nil {
		return m, fmt.Errorf("checkpoint of round %d: %w", p.model.Next, err)
	}
	p.parent, p.wrote = m.Digest(), p.model.Next
	p.shelve(m)
	return m, nil
}

// outerTensors names the outer optimizer's integers for a checkpoint.
func outerTensors(m *replica.Model) []checkpoints.Ints {
	var out []checkpoints.Ints
	for i, plane := range m.Outer {
		out = append(out, checkpoints.Ints{
			Name: fmt.Sprintf("outer.%d", i), Shape: []int{len(plane)},
			Read: func(offset int, dst []int64) error { copy(dst, plane[offset:]); return nil },
		})
	}
	return out
}

// shelve makes the checkpoint's files available by digest.
func (p *Publisher) shelve(m checkpoints.Manifest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.files)
	b := m.Encode()
	p.files[protocol.Sum(b)] = stored{m.Path(checkpoints.ManifestFile), int64(len(b))}
	for _, f := range m.Files {
		p.files[f.SHA256] = stored{m.Path(f.Name), f.Size}
	}
}

// Open implements [Shelf] for the files of the last checkpoint.
func (p *Publisher) Open(ctx context.Context, d protocol.Digest) (io.ReadSeekCloser, int64, bool) {
	p.mu.Lock()
	f, ok := p.files[d]
	p.mu.Unlock()
	if !ok {
		return nil, 0, false
	}
	return &object{ctx: ctx, store: p.cfg.Store, file: f}, f.size, true
}

// object reads a stored file from any offset.
type object struct {
	ctx   context.Context
	store checkpoints.Store
	file  stored
	at    int64
	body  io.ReadCloser
}

// Read implements io.Reader.
func (o *object) Read(b []byte) (int, error) {
	if o.at >= o.file.size {
		return 0, io.EOF
	}
	if o.body == nil {
		body, _, err := o.store.Get(o.ctx, o.file.name, o.at)
		if err != nil {
			return 0, err
		}
		o.body = body
	}
	n, err := o.body.Read(b)
	o.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.file.size
	}
	if offset < 0 {
		return o.at, fmt.Errorf("seek to %d", offset)
	}
	if offset != o.at {
		_ = o.Close()
		o.at = offset
	}
	return o.at, nil
}

// Close implements io.Closer.
func (o *object) Close() error {
	if o.body == nil {
		return nil
	}
	err := o.body.Close()
	o.body = nil
	return err
}
