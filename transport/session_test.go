package transport

// This file tests that a session carries calls across faults of the server.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"lode/protocol"
)

func (p *place) session(t testing.TB, n byte, opt Options) *Session {
	t.Helper()
	s := NewSession(context.Background(), p.addr, idOf(serverKey), seeded(n), testHello(), opt)
	t.Cleanup(func() { s.Close() })
	return s
}

// vanish ends a server as kill -9 would: nobody is told.
func (p *place) vanish() {
	p.killed.Store(true)
	p.socket.Close()
	p.stop()
}

// downs are the ways a server goes away.
var downs = map[string]func(*place){"stopped": func(p *place) { p.stop() }, "killed": (*place).vanish}

var brisk = Options{KeepAlive: 50 * time.Millisecond, MaxBackoff: 100 * time.Millisecond}

func TestSessionFollows(t *testing.T) {
	for name, down := range downs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			d.append("0", "1", "2")
			p := start(t, local, d, Options{})
			s := p.session(t, 1, brisk)
			ctx, cancel := context.WithCancel(testContext(t))
			got, ended := make(chan string, 100), make(chan error, 1)
			go func() {
				ended <- s.Follow(ctx, 1, func(e []byte) error { got <- string(e); return nil })
			}()
			if a, b := receive(t, got), receive(t, got); a+b != "12" {
				t.Fatalf("entries %q, %q", a, b)
			}
			down(p)

			start(t, p.addr, d, Options{})
			d.append("3")
			if e := receive(t, got); e != "3" {
				t.Fatalf("entry %q after the restart, want 3", e)
			}
			if a, b := receive(t, d.follows), receive(t, d.follows); a != 1 || b != 3 {
				t.Fatalf("followed from %d, then from %d, want 1 and 3", a, b)
			}
			cancel()
			if err := receive(t, ended); !errors.Is(err, context.Canceled) {
				t.Fatalf("follow ended with %v", err)
			}
			sent, received := s.Stats()
			if sent == 0 || received == 0 {
				t.Fatal("no bytes were counted")
			}
		})
	}
}

// An upload is cut after some bytes, in one way after another; the session
// brings it home without sending again what has arrived.
func TestSessionPuts(t *testing.T) {
	b := randomBytes(2<<20, 7)
	digest := protocol.Sum(b)
	errDisk := protocol.Refuse(protocol.Busy, "disk")
	tests := []struct {
		name string
		at   int64 // bytes before the fault
		// fault happens at the server inside Put.
		fault func(p *place) error
	}{
		{"stopped at the start", 0, func(p *place) error { go p.stop(); return nil }},
		{"stopped", 1 << 20, func(p *place) error { go p.stop(); return nil }},
		{"killed", 1 << 20, func(p *place) error { go p.vanish(); return nil }},
		{"busy", 1 << 20, func(*place) error { return errDisk }},
		{"stalled", 1<<20 + 1, func(*place) error { return protocol.Refuse(protocol.Unavailable, "stall") }},
		{"all but one byte", int64(len(b)) - 1, func(p *place) error { go p.stop(); return nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			p := start(t, local, d, Options{})
			failed := make(chan struct{})
			faulty := false
			d.onPut = func(_ protocol.Digest, _, _ int64, r io.Reader) (io.Reader, error) {
				if faulty {
					return r, nil
				}
				faulty = true
				return &cutReader{r: r, left: test.at, cut: func() error {
					defer close(failed)
					return test.fault(p)
				}}, nil
			}
			s := p.session(t, 1, brisk)
			done := make(chan error, 1)
			go func() { done <- s.Put(testContext(t), digest, int64(len(b)), bytes.NewReader(b)) }()
			receive(t, failed)
			if p.stopped(test.name) {
				p.stop()
				start(t, p.addr, d, Options{})
			}
			if err := receive(t, done); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if !bytes.Equal(d.payloads[digest], b) {
				t.Fatal("the payload arrived damaged")
			}
			if len(d.offsets) < 2 || d.offsets[len(d.offsets)-1] < test.at {
				t.Fatalf("uploads began at %v, want the last at %d or later", d.offsets, test.at)
			}
		})
	}
}

func (p *place) stopped(name string) bool { return name != "busy" && name != "stalled" }

// cutReader gives left bytes of r, then runs cut. If that returns no error the
// reader waits for r to fail.
type cutReader struct {
	r    io.Reader
	left int64
	cut  func() error
}

func (c *cutReader) Read(b []byte) (int, error) {
	if c.left == 0 {
		if err := c.cut(); err != nil {
			return 0, err
		}
		for {
			if _, err := c.r.Read(b); err != nil {
				return 0, io.ErrUnexpectedEOF // as if nothing after the fault came
			}
		}
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

func TestSessionGets(t *testing.T) {
	b := randomBytes(4<<20, 9)
	digest := protocol.Sum(b)
	d := newDesk()
	d.payloads[digest] = b
	p := start(t, local, d, Options{})
	s := p.session(t, 1, brisk)
	var w cutWriter
	w.at = 1 << 20
	w.cut = func() {
		p.stop()
		start(t, p.addr, d, Options{})
	}
	n, err := s.Get(testContext(t), digest, 3, &w)
	if err != nil || n != int64(len(b))-3 || !bytes.Equal(w.Bytes(), b[3:]) {
		t.Fatalf("got %d bytes, %v", n, err)
	}
	if w.cut != nil {
		t.Fatal("the server was never stopped")
	}
	if got, err := s.Fetch(testContext(t), digest, 1<<30); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("fetched %d bytes, %v", len(got), err)
	}
	if got, err := s.Status(testContext(t)); err != nil || len(got) == 0 {
		t.Fatalf("status %q, %v", got, err)
	}
}

// cutWriter runs cut once it holds at bytes.
type cutWriter struct {
	bytes.Buffer
	at  int
	cut func()
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if cut := w.cut; cut != nil && w.Len() >= w.at {
		w.cut = nil
		cut()
	}
	return w.Buffer.Write(b)
}

// The answer to a message is lost with the connection: sent again it is a
// duplicate, and that is success.
func TestSessionSubmitsOnce(t *testing.T) {
	d := &deafDesk{desk: newDesk(), arrived: make(chan struct{}, 10)}
	p := startWith(t, local, d.desk, d, Options{})
	s := p.session(t, 1, brisk)
	done := make(chan error, 1)
	go func() { done <- s.Submit(testContext(t), []byte("once")) }()
	receive(t, d.arrived)
	p.vanish()
	d.again = true
	startWith(t, p.addr, d.desk, d, Options{})
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	// Not repeated, a duplicate is what it is.
	wantReason(t, s.Submit(testContext(t), []byte("once")), protocol.Duplicate)
}

// deafDesk takes a message and never answers, then knows it.
type deafDesk struct {
	*desk
	arrived chan struct{}
	again   bool
}

func (d *deafDesk) Submit(ctx context.Context, _ protocol.NodeID, _ []byte) error {
	if d.again {
		return protocol.Refuse(protocol.Duplicate, "")
	}
	d.arrived <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

func TestSessionEnds(t *testing.T) {
	refusing := func(r protocol.Reason) *desk {
		d := newDesk()
		d.refuse = protocol.Refuse(r, "no")
		return d
	}
	for _, r := range []protocol.Reason{protocol.WrongRun, protocol.WrongVersion, protocol.NotInvited} {
		p := start(t, local, refusing(r), Options{})
		s := p.session(t, 1, brisk)
		_, err := s.Welcome(testContext(t))
		wantReason(t, err, r)
		receive(t, s.Done())
		wantReason(t, s.Err(), r)
	}
	p := start(t, local, newDesk(), Options{})
	s := NewSession(context.Background(), p.addr, idOf(seeded(99)), seeded(1), testHello(), brisk)
	receive(t, s.Done())
	if err := s.Submit(testContext(t), nil); !errors.Is(err, ErrWrongKey) {
		t.Fatalf("submit: %v", err)
	}

	// A second program with the same key ends the first one's session for good.
	one := p.session(t, 5, brisk)
	if _, err := one.Welcome(testContext(t)); err != nil {
		t.Fatal(err)
	}
	p.dial(t, 5, Options{})
	receive(t, one.Done())
	if err := one.Err(); !errors.Is(err, ErrReplaced) {
		t.Fatalf("session ended with %v", err)
	}
}

func TestSessionWaits(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	p.stop()
	s := p.session(t, 1, brisk)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Status(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNobody) {
		t.Fatalf("status: %v, want the deadline and why", err)
	}
	if !errors.Is(s.Trouble(), ErrNobody) {
		t.Fatalf("trouble: %v", s.Trouble())
	}
	start(t, p.addr, d, Options{})
	if w, err := s.Welcome(testContext(t)); err != nil || w.Next != 7 {
		t.Fatalf("welcome %+v, %v", w, err)
	}
	if s.Trouble() != nil {
		t.Fatalf("trouble while connected: %v", s.Trouble())
	}
	mine := errors.New("enough")
	d.append("x")
	if err := s.Follow(testContext(t), 0, func([]byte) error { return mine }); err != mine {
		t.Fatalf("follow ended with %v", err)
	}
	// Not even an error that looks like a lost connection is repeated.
	if err := s.Follow(testContext(t), 0, func([]byte) error { return ErrLost }); err != ErrLost {
		t.Fatalf("follow ended with %v", err)
	}
	s.Close()
	if _, err := s.Status(testContext(t)); !errors.Is(err, context.Canceled) {
		t.Fatalf("status after close: %v", err)
	}
}
