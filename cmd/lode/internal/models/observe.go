package models

// This file holds the observer: a connection to a live run that only reads.

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"lode/protocol"
	"lode/replica"
	"lode/transport"
)

// Observer is a connection to the coordinator of a run. Its methods may be called
// by many goroutines.
type Observer struct {
	Link   protocol.Link
	Rules  *replica.Rules
	Length uint64 // entries of the record when the connection came up

	peer  peer
	close func() error
}

// peer is what an observer asks of its connection.
type peer interface {
	replica.Record
	replica.Fetcher
	getter
	teller
	counter
}

type teller interface {
	Status(ctx context.Context) ([]byte, error)
}

// counter is where a ledger is asked and told.
type counter interface {
	Ask(ctx context.Context, question []byte) ([]byte, error)
	Submit(ctx context.Context, message []byte) error
}

// Contact is how a first answer of a coordinator is waited for.
type Contact struct {
	Software string        // names this program to the other side
	Wait     time.Duration // at most; default 15 s, three handshakes
	// Slow is told once, when nothing has come for a second and a half: where an
	// answer is waited for, and how much longer. nil: nobody is told.
	Slow func(addr string, left time.Duration)
}

const (
	defaultWait = 15 * time.Second
	slowAfter   = 1500 * time.Millisecond
)

// Observe connects to the run of a join link under a key made for this once. ctx
// ends the connection.
func Observe(ctx context.Context, address string, how Contact) (*Observer, error) {
	link, err := protocol.ParseLink(address)
	if err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("key for this connection: %w", err)
	}
	hello := transport.Hello{Version: protocol.Version, Run: link.Run, Role: protocol.Observer, Software: how.Software}
	s := transport.NewSession(ctx, link.Addr, link.Coordinator, key, hello, transport.Options{})
	o := &Observer{Link: link, peer: s, close: s.Close}
	if how.Wait == 0 {
		how.Wait = defaultWait
	}
	if err := o.greet(ctx, s, how); err != nil {
		_ = s.Close() // nothing was asked of it yet
		return nil, err
	}
	return o, nil
}

func (o *Observer) greet(ctx context.Context, s *transport.Session, how Contact) error {
	silent := func(err error) bool { return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil }
	first := min(slowAfter, how.Wait)
	w, err := welcomeWithin(ctx, s, first)
	if silent(err) && first < how.Wait {
		if how.Slow != nil {
			how.Slow(o.Link.Addr, how.Wait-first)
		}
		w, err = welcomeWithin(ctx, s, how.Wait-first)
	}
	switch {
	case err == nil:
		return o.welcomed(w)
	case silent(err):
		return fmt.Errorf("no coordinator answers at %s within %v: check that the address is right, that UDP gets through to that port, and that the coordinator is running: %w",
			o.Link.Addr, how.Wait, cmp.Or(s.Trouble(), err))
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: %w", o.Link.Addr, context.Cause(ctx))
	}
	return fmt.Errorf("connect to %s: %w", o.Link.Addr, err)
}

func welcomeWithin(ctx context.Context, s *transport.Session, d time.Duration) (transport.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return s.Welcome(ctx)
}

// welcomed takes over what the coordinator said, as far as it is the link's run.
func (o *Observer) welcomed(w transport.Welcome) error {
	var man protocol.Manifest
	if err := protocol.Decode(w.Manifest, &man); err != nil {
		return fmt.Errorf("manifest of the run: %w", err)
	}
	if man.ID() != o.Link.Run {
		return fmt.Errorf("the coordinator sent the manifest of run %s, the link is to run %s", man.ID().Short(), o.Link.Run.Short())
	}
	if man.Coordinator != o.Link.Coordinator {
		return fmt.Errorf("the run's coordinator is %s, the link names %s", man.Coordinator.Short(), o.Link.Coordinator.Short())
	}
	var err error
	o.Rules, err = replica.NewRules(man)
	o.Length = w.Next
	return err
}

// errEnough ends a replay at the length that was asked for.
var errEnough = errors.New("enough entries")

// Entries calls each with the first Length entries of the record, in order.
func (o *Observer) Entries(ctx context.Context, each func(entry []byte) error) error {
	if o.Length == 0 {
		return nil
	}
	var have uint64
	err := o.peer.Follow(ctx, 0, func(entry []byte) error {
		if err := each(entry); err != nil {
			return err
		}
		if have++; have == o.Length {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil:
		return fmt.Errorf("the record ended after %d of %d entries: %w", have, o.Length, io.ErrUnexpectedEOF)
	}
	return err
}

// Fetch implements [replica.Fetcher].
func (o *Observer) Fetch(ctx context.Context, digest protocol.Digest, most int64) ([]byte, error) {
	return o.peer.Fetch(ctx, digest, most)
}

// Status returns what the coordinator says of the run, as JSON for people.
func (o *Observer) Status(ctx context.Context) ([]byte, error) { return o.peer.Status(ctx) }

// Ask asks the coordinator a question about its ledger.
func (o *Observer) Ask(ctx context.Context, question []byte) ([]byte, error) {
	return o.peer.Ask(ctx, question)
}

// Submit hands the coordinator what somebody signed.
func (o *Observer) Submit(ctx context.Context, message []byte) error {
	return o.peer.Submit(ctx, message)
}

// Close ends the connection.
func (o *Observer) Close() error { return o.close() }

// isLink tells join links from the addresses of stores.
func isLink(source string) bool { return strings.HasPrefix(source, "lode://") }
