package transport

// This file holds a client that outlives its connections.

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"lode/protocol"
)

// Session keeps a [Client] connected across restarts of the server. Its calls
// wait for a connection, are repeated on the next one when theirs is lost, and
// are repeated after a pause when the server is busy; they end with their
// context, with a refusal, or with the session.
type Session struct {
	addr   string
	dial   func(context.Context) (*Client, Welcome, error)
	opt    Options
	cancel context.CancelFunc
	done   chan struct{}

	mu             sync.Mutex
	client         *Client // nil while there is none
	welcome        Welcome // of the newest connection
	changed        chan struct{}
	trouble        error // why there is no connection now
	ended          error // why the session ended
	sent, received int64 // bytes of connections that ended
}

// NewSession starts to connect and returns at once. The arguments are those of
// [Dial]; ctx ends the session.
func NewSession(ctx context.Context, addr string, server protocol.NodeID, key ed25519.PrivateKey, hello Hello, opt Options) *Session {
	opt = opt.orDefault()
	ctx, cancel := context.WithCancel(ctx)
	s := &Session{
		addr: addr, opt: opt, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}),
		dial: func(ctx context.Context) (*Client, Welcome, error) {
			return Dial(ctx, addr, server, key, hello, opt)
		},
	}
	// Ends with ctx or a final error.
	go s.run(ctx)
	return s
}

// run dials, waits for the connection to end, and dials again.
func (s *Session) run(ctx context.Context) {
	defer close(s.done)
	defer s.cancel()
	pause := s.pauses()
	for {
		c, w, err := s.dial(ctx)
		if err == nil {
			began := time.Now()
			s.publish(c, w)
			err = s.live(ctx, c)
			// A server that hangs up at once must not be dialled in a tight loop.
			if time.Since(began) > s.opt.MaxBackoff {
				pause.Reset()
			}
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if ctx.Err() != nil || final(err) {
			s.end(err)
			return
		}
		s.lost(err)
		wait(ctx, delay(pause.NextBackOff(), err))
	}
}

// live waits for the end of a connection and returns its cause.
func (s *Session) live(ctx context.Context, c *Client) error {
	select {
	case <-c.Done():
	case <-ctx.Done():
		c.Close()
	}
	return c.Err()
}

func (s *Session) pauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(100*time.Millisecond, s.opt.MaxBackoff)),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0.5),
		backoff.WithMaxInterval(s.opt.MaxBackoff),
		backoff.WithMaxElapsedTime(0),
	)
}

// mostWhileNobody caps the pause while nothing listens: that is learnt without a
// handshake, so asking often costs the server nothing.
const mostWhileNobody = 2 * time.Second

func delay(d time.Duration, err error) time.Duration {
	if errors.Is(err, ErrNobody) {
		return min(d, mostWhileNobody)
	}
	return d
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// final reports whether another attempt would fail the same way.
func final(err error) bool {
	if errors.Is(err, ErrWrongKey) || errors.Is(err, ErrReplaced) {
		return true
	}
	var r *protocol.Refusal
	if !errors.As(err, &r) {
		return false
	}
	switch r.Reason {
	case protocol.WrongRun, protocol.WrongVersion, protocol.NotInvited, protocol.WrongRole,
		protocol.BadSignature, protocol.WrongCredential, protocol.Malformed, protocol.TooLarge:
		return true
	}
	return false
}

func (s *Session) publish(c *Client, w Welcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.welcome, s.trouble = c, w, nil
	s.wake()
}

func (s *Session) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retire()
	s.trouble = err
	s.wake()
}

func (s *Session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retire()
	s.ended = err
	s.wake()
}

// retire drops the connection that ended. It is called with mu held, as wake is.
func (s *Session) retire() {
	if s.client != nil {
		sent, received := s.client.Stats()
		s.sent, s.received, s.client = s.sent+sent, s.received+received, nil
	}
}

func (s *Session) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// current waits for a connection other than old.
func (s *Session) current(ctx context.Context, old *Client) (*Client, Welcome, error) {
	for {
		s.mu.Lock()
		c, w, changed, trouble, ended := s.client, s.welcome, s.changed, s.trouble, s.ended
		s.mu.Unlock()
		switch {
		case ended != nil:
			return nil, w, ended
		case c != nil && c != old:
			return c, w, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if trouble != nil {
				return nil, w, fmt.Errorf("%w while not connected: %w", context.Cause(ctx), trouble)
			}
			return nil, w, context.Cause(ctx)
		}
	}
}

// try runs call on one connection after another until it succeeds or fails for a
// reason that another attempt does not mend. Busy is mended by time, and so are
// the reasons in passing.
func (s *Session) try(ctx context.Context, call func(c *Client, again bool) error, passing ...protocol.Reason) error {
	pause := s.pauses()
	var old *Client
	for again := false; ; again = true {
		c, _, err := s.current(ctx, old)
		if err != nil {
			return err
		}
		err = call(c, again)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case slices.Contains(append(passing, protocol.Busy), protocol.ReasonOf(err)):
			wait(ctx, pause.NextBackOff())
		case errors.Is(err, ErrLost), errors.Is(err, ErrReplaced):
			if c.Err() != nil {
				old = c
			} else {
				wait(ctx, pause.NextBackOff())
			}
		default:
			return err
		}
	}
}

// Welcome waits for a connection and returns what the server said to it.
func (s *Session) Welcome(ctx context.Context) (Welcome, error) {
	_, w, err := s.current(ctx, nil)
	return w, err
}

// Trouble returns why there is no connection at the moment, nil if there is one
// or the first attempt still runs.
func (s *Session) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// Submit is [Client.Submit]. A message may have arrived although its answer was
// lost, so after a repetition Duplicate means success.
func (s *Session) Submit(ctx context.Context, message []byte) error {
	return s.try(ctx, func(c *Client, again bool) error {
		err := c.Submit(ctx, message)
		if again && protocol.ReasonOf(err) == protocol.Duplicate {
			return nil
		}
		return err
	})
}

// Follow is [Client.Follow]; on a new connection it goes on with the next index.
func (s *Session) Follow(ctx context.Context, from uint64, each func(entry []byte) error) error {
	var stopped error // by each, whatever it is called: not to be repeated
	err := s.try(ctx, func(c *Client, _ bool) error {
		err := c.Follow(ctx, from, func(entry []byte) error {
			if stopped = each(entry); stopped == nil {
				from++
			}
			return stopped
		})
		if stopped != nil {
			return errStopped
		}
		return err
	})
	if stopped != nil {
		return stopped
	}
	return err
}

var errStopped = errors.New("stopped by the caller")

// Put is [Client.Put]; after a stall or on a new connection it goes on where the
// server stands.
func (s *Session) Put(ctx context.Context, digest protocol.Digest, size int64, r io.ReaderAt) error {
	return s.try(ctx, func(c *Client, _ bool) error { return c.Put(ctx, digest, size, r) }, protocol.Unavailable)
}

// Get is [Client.Get]; after a stall or on a new connection it goes on with the
// next byte.
func (s *Session) Get(ctx context.Context, digest protocol.Digest, offset int64, w io.Writer) (n int64, err error) {
	err = s.try(ctx, func(c *Client, _ bool) error {
		got, err := c.Get(ctx, digest, offset+n, w)
		n += got
		return err
	}, protocol.Unavailable)
	return n, err
}

// Fetch is [Client.Fetch]; it begins anew on a new connection.
func (s *Session) Fetch(ctx context.Context, digest protocol.Digest, maxSize int64) (b []byte, err error) {
	err = s.try(ctx, func(c *Client, _ bool) error {
		b, err = c.Fetch(ctx, digest, maxSize)
		return err
	})
	return b, err
}

// Status is [Client.Status].
func (s *Session) Status(ctx context.Context) (b []byte, err error) {
	err = s.try(ctx, func(c *Client, _ bool) error {
		b, err = c.Status(ctx)
		return err
	})
	return b, err
}

// Ask is [Client.Ask].
func (s *Session) Ask(ctx context.Context, question []byte) (b []byte, err error) {
	err = s.try(ctx, func(c *Client, _ bool) error {
		b, err = c.Ask(ctx, question)
		return err
	})
	return b, err
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, nil while it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Stats returns the bytes sent and received over all connections so far.
func (s *Session) Stats() (bytesSent, bytesReceived int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytesSent, bytesReceived = s.sent, s.received
	if s.client != nil {
		sent, received := s.client.Stats()
		bytesSent, bytesReceived = bytesSent+sent, bytesReceived+received
	}
	return bytesSent, bytesReceived
}

// Close ends the session and its connection.
func (s *Session) Close() error {
	s.cancel()
	<-s.done
	return nil
}
