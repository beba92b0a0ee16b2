package transport

// This file tests who speaks for a peer, and what the handler hears of it.

import (
	"errors"
	"testing"
	"time"
)

func TestReplaced(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	first := p.dial(t, 1, Options{})
	ctx := testContext(t)
	follow := make(chan error, 1)
	go func() { follow <- first.Follow(ctx, 0, func([]byte) error { return nil }) }()
	receive(t, d.follows)

	second := p.dial(t, 1, Options{})
	receive(t, first.Done())
	if err := first.Err(); !errors.Is(err, ErrReplaced) {
		t.Fatalf("the first connection ended with %v", err)
	}
	if err := receive(t, follow); !errors.Is(err, ErrReplaced) {
		t.Fatalf("its request ended with %v", err)
	}
	if err := second.Submit(ctx, []byte("from the second")); err != nil {
		t.Fatal(err)
	}
	if len(d.hellos) != 2 || len(d.gone) != 0 {
		t.Fatalf("%d hellos and %d gone, want 2 and 0", len(d.hellos), len(d.gone))
	}
	second.Close()
	if got := receive(t, d.gone); got != idOf(seeded(1)) {
		t.Fatalf("gone: %s", got)
	}
	p.stop()
	if len(d.gone) != 0 {
		t.Fatal("gone was said twice")
	}
}

// Many connections of one key at once: in the end one is served and Gone is
// said once.
func TestReplacedInARush(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{PerKey: 100})
	clients := make(chan *Client, 20)
	for range cap(clients) {
		go func() {
			c, _, err := Dial(testContext(t), p.addr, idOf(serverKey), seeded(1), testHello(), Options{})
			if err != nil && !errors.Is(err, ErrReplaced) {
				t.Error(err)
			}
			clients <- c
		}()
	}
	all := make([]*Client, 0, cap(clients))
	for range cap(clients) {
		if c := receive(t, clients); c != nil {
			all = append(all, c)
		}
	}
	p.stop()
	receive(t, d.gone)
	if len(d.gone) != 0 || len(d.hellos) != cap(clients) {
		t.Fatalf("%d more gone, %d hellos", len(d.gone), len(d.hellos))
	}
	for _, c := range all {
		receive(t, c.Done())
	}
}

func TestGoneAfterSilence(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{Idle: 300 * time.Millisecond})
	c := p.dial(t, 1, Options{Idle: time.Hour}) // the shorter of both counts
	// As after kill -9: the socket is gone and nothing was said.
	c.socket.Close()
	receive(t, d.gone)
}

func TestServerStops(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	c := p.dial(t, 1, Options{})
	p.stop()
	receive(t, c.Done())
	if err := c.Err(); !errors.Is(err, ErrLost) {
		t.Fatalf("the connection ended with %v", err)
	}
	if _, err := c.Status(testContext(t)); !errors.Is(err, ErrLost) {
		t.Fatalf("status: %v", err)
	}
	receive(t, d.gone)
	// The port is free again.
	start(t, p.addr, newDesk(), Options{})
}
