package validator

// This file holds the validator: following the record, answering what is owed.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"lode/coordinator/round"
	"lode/engine"
	"lode/protocol"
	"lode/replica"
)

// Text is what a validator measures on. Seeds decide what is drawn, so that all
// validators draw the same.
type Text interface {
	Sample(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error)
	HeldOut(ctx context.Context, seed protocol.Digest, rows int) (engine.Batch, error)
	// Examine draws from what the worker at a place on the roster was assigned.
	Examine(ctx context.Context, duty protocol.Digest, workers, worker int, seed protocol.Digest, rows int) (engine.Batch, error)
}

// Config is what a validator is made of.
type Config struct {
	Key    ed25519.PrivateKey
	Owner  ed25519.PrivateKey   // of the account that is paid; nil: the node's own
	Name   string               // for people; see protocol.IsNodeName
	Invite *protocol.InviteSeed // nil for validators staked at genesis
	Rules  *replica.Rules
	Text   Text
	Engine engine.Engine // must fit the rules
	Link   replica.Link
	Files  replica.Files
	// Scratch is where opened updates lie; nil: in memory.
	Scratch replica.Scratch
	Log     zerolog.Logger
	// Head is the length the record had when the link came up: nothing is done
	// before the record has been replayed that far.
	Head uint64
}

// Validator is one validator of one run.
type Validator struct {
	cfg     Config
	me      protocol.NodeID
	chain   *hashChain
	replica *round.Replica
	judge   *judge
	asked   duty            // last duty handed on
	held    []round.Summary // final rounds seen before the record was caught up with
	joining bool            // a join was sent that is not on the record yet
	again   atomic.Bool     // the ledger refused it, and it is to be made anew
	tries   int             // joins so far
	wake    chan struct{}   // looks at the record again
}

// duty names one thing that is owed; attempt tells proposals of one round apart.
type duty struct {
	round   protocol.Round
	kind    protocol.Kind
	attempt uint32
}

// New returns a validator; it fails where the engine does not fit the rules.
func New(cfg Config) (*Validator, error) {
	if err := cfg.Rules.Fit(cfg.Engine); err != nil {
		return nil, fmt.Errorf("validator: %w", err)
	}
	v := &Validator{
		cfg:     cfg,
		me:      protocol.NodeID(cfg.Key.Public().(ed25519.PublicKey)),
		chain:   newHashChain(cfg.Key, cfg.Rules.Run, chainLen),
		replica: round.NewReplica(cfg.Rules.Manifest),
		wake:    make(chan struct{}, 1),
	}
	v.judge = newJudge(cfg, v.me, v.wake)
	return v, nil
}

// Run works until ctx ends or something cannot be mended by trying again. It
// returns nil when ctx ended.
func (v *Validator) Run(ctx context.Context) error {
	if err := v.judge.load(ctx); err != nil {
		return err
	}
	if err := v.judge.loadVows(ctx, v.replica); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.judge.run(ctx) }) // ends with ctx
	g.Go(func() error {                            // ends with ctx or the record
		return replica.FollowWoken(ctx, v.cfg.Link, v.replica, v.wake, func(final []round.Summary) error {
			return v.changed(ctx, g, final)
		})
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("validator: %w", err)
	}
	return nil
}

// changed looks at what the record brought.
func (v *Validator) changed(ctx context.Context, g *errgroup.Group, final []round.Summary) error {
	v.held = append(v.held, final...)
	m := v.replica.Machine
	if v.replica.Chain.Next < v.cfg.Head {
		return nil
	}
	v.judge.finish(v.held)
	if n := len(v.held); n > 0 {
		last := v.held[n-1]
		v.cfg.Log.Info().Uint64("round", uint64(last.Round)).Int("updates", len(last.Outcomes)).
			Float64("held_out", last.HeldOut.Nats()).Msg("round final")
	}
	v.held = nil
	if err := v.anchor(ctx, g); err != nil {
		return err
	}
	cur := m.Current()
	if v.judge.unsaid.Swap(false) {
		v.asked = duty{}
	}
	kind, ok := m.Owes(v.me)
	d := duty{cur.Number, kind, cur.Attempt}
	if !ok || kind == protocol.KindJoin || d == v.asked {
		return nil
	}
	v.asked = d
	k := task{duty: d, round: cur.Clone(), weights: replica.Weights(m, v.cfg.Key)}
	if kind == protocol.KindAttestation {
		x, _ := m.Member(v.me)
		preimage, found := v.chain.preimage(x.Anchor)
		if !found {
			return fmt.Errorf("anchor %s is not of this key's hash chain", x.Anchor.Short())
		}
		k.preimage = preimage
	}
	v.judge.work(k)
	return nil
}

// anchor joins the run, or joins again before the hash chain runs out.
func (v *Validator) anchor(ctx context.Context, g *errgroup.Group) error {
	x, member := v.replica.Machine.Member(v.me)
	if member && x.Role != protocol.Validator {
		return fmt.Errorf("this key joined the run as a %v; a validator needs a key of its own (another --dir)", x.Role)
	}
	if v.again.Swap(false) {
		v.joining = false
	}
	due := !member || x.Left || x.Revealed+reanchor >= uint64(v.chain.length) && x.NextAnchor == protocol.Digest{}
	if !due || v.joining {
		v.joining = v.joining && due
		return nil
	}
	v.joining = true
	v.tries++
	join := protocol.Join{Role: protocol.Validator, Name: v.cfg.Name, Anchor: v.chain.next(x.Anchor, member)}
	if v.cfg.Invite != nil {
		join.Invitation = v.cfg.Invite.Invite(v.cfg.Rules.Run, v.me)
	}
	var err error
	e := replica.Entry{Node: v.cfg.Key, Owner: v.cfg.Owner, Invite: v.cfg.Invite, Role: protocol.Validator}
	if join.Enter, err = replica.Enter(v.replica.Machine, e); err != nil {
		return err
	}
	msg, last := protocol.Sign(v.cfg.Key, v.cfg.Rules.Run, 0, join), v.tries >= replica.EnterTries
	g.Go(func() error { // ends with the answer or ctx
		err := replica.Submit(ctx, v.cfg.Link, msg)
		switch reason := protocol.ReasonOf(err); {
		case reason == protocol.Duplicate:
			return nil
		case reason == protocol.NotApplied && !last:
			v.again.Store(true)
			replica.WakeAfter(ctx, replica.EnterPause, v.wake)
			return nil
		}
		return err
	})
	return nil
}
