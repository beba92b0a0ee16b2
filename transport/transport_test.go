package transport

// This file tests every request on a sound connection.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lode/protocol"
)

const local = "127.0.0.1:0"

func randomBytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b)
	return b
}

func TestRequests(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	c := p.dial(t, 1, Options{})
	ctx := testContext(t)
	if got := receive(t, d.hellos); got != idOf(seeded(1)) {
		t.Fatalf("hello from %s", got)
	}

	t.Run("submit", func(t *testing.T) {
		big := randomBytes(protocol.MaxMessageLen, 1)
		for _, m := range [][]byte{[]byte("one"), {}, big} {
			if err := c.Submit(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		if d.mu.Lock(); len(d.messages) != 3 || !bytes.Equal(d.messages[2], big) {
			t.Fatalf("%d messages arrived", len(d.messages))
		}
		d.mu.Unlock()
		err := c.Submit(ctx, []byte("no"))
		wantReason(t, err, protocol.WrongPhase)
		if want := "not now"; err.(*protocol.Refusal).Detail != want {
			t.Fatalf("detail %q, want %q", err.(*protocol.Refusal).Detail, want)
		}
		err = c.Submit(ctx, []byte("fault"))
		wantReason(t, err, protocol.Internal)
		if d := err.(*protocol.Refusal).Detail; d != "" {
			t.Fatalf("an internal fault told the peer %q", d)
		}
		wantReason(t, c.Submit(ctx, append(big, 0)), protocol.TooLarge)
		n := p.Refusals()
		if n[protocol.WrongPhase] != 1 || n[protocol.Internal] != 1 {
			t.Fatalf("refusals %v", n)
		}
	})

	t.Run("status", func(t *testing.T) {
		b, err := c.Status(ctx)
		if err != nil || string(b) != `{"round":3}` {
			t.Fatalf("status %q, %v", b, err)
		}
	})

	t.Run("ask", func(t *testing.T) {
		for _, q := range [][]byte{[]byte("how?"), {}, randomBytes(MaxQuestionLen, 2)} {
			if b, err := c.Ask(ctx, q); err != nil || string(b) != "re: "+string(q) {
				t.Fatalf("%d bytes of answer, %v", len(b), err)
			}
		}
		if b, err := c.Ask(ctx, []byte("most")); err != nil || len(b) != MaxAnswerLen {
			t.Fatalf("%d bytes of answer, %v", len(b), err)
		}
		_, err := c.Ask(ctx, []byte("too much"))
		wantReason(t, err, protocol.Internal)
		_, err = c.Ask(ctx, []byte("no"))
		wantReason(t, err, protocol.NotFound)
		_, err = c.Ask(ctx, make([]byte, MaxQuestionLen+1))
		wantReason(t, err, protocol.TooLarge)
	})

	t.Run("payload", func(t *testing.T) {
		for _, n := range []int{0, 1, 5000, 3 << 20} {
			b := randomBytes(n, uint64(n))
			digest := protocol.Sum(b)
			if err := c.Put(ctx, digest, int64(n), bytes.NewReader(b)); err != nil {
				t.Fatalf("put %d bytes: %v", n, err)
			}
			got, err := c.Fetch(ctx, digest, int64(n))
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("fetch %d bytes: %d, %v", n, len(got), err)
			}
			var part bytes.Buffer
			from := int64(n / 3)
			m, err := c.Get(ctx, digest, from, &part)
			if err != nil || m != int64(n)-from || !bytes.Equal(part.Bytes(), b[from:]) {
				t.Fatalf("get from %d: %d bytes, %v", from, m, err)
			}
			_, err = c.Get(ctx, digest, int64(n)+1, &part)
			wantReason(t, err, protocol.NotFound)
			if n > 0 {
				_, err = c.Fetch(ctx, digest, int64(n)-1)
				wantReason(t, err, protocol.TooLarge)
			}
		}
		_, err := c.Fetch(ctx, protocol.Digest{1}, 100)
		wantReason(t, err, protocol.NotFound)
		err = c.Put(ctx, protocol.Digest{2}, 3, bytes.NewReader([]byte("abc")))
		wantReason(t, err, protocol.WrongContent)
		wantReason(t, c.Put(ctx, protocol.Digest{2}, 1<<31, bytes.NewReader(nil)), protocol.TooLarge)
		wantReason(t, c.Put(ctx, protocol.Digest{2}, -1, bytes.NewReader(nil)), protocol.TooLarge)
	})

	t.Run("stats", func(t *testing.T) {
		sent, received := c.Stats()
		if sent < 4<<20 || received < 5<<20 {
			t.Fatalf("sent %d, received %d bytes", sent, received)
		}
	})
}

// Questions are counted with messages.
func TestAskIsMetered(t *testing.T) {
	p := start(t, local, newDesk(), Options{})
	c := p.dial(t, 1, Options{})
	ctx := testContext(t)
	m := p.inbox.keys
	m.mu.Lock()
	m.full[idOf(seeded(1))] = time.Now().Add(time.Hour) // as after many messages
	m.mu.Unlock()
	_, err := c.Ask(ctx, []byte("how?"))
	wantReason(t, err, protocol.Busy)
	wantReason(t, c.Submit(ctx, []byte("one")), protocol.Busy)
}

// A server whose program answers no questions says so.
func TestNobodyIsAsked(t *testing.T) {
	d := newDesk()
	p := startWith(t, local, d, struct{ Handler }{d}, Options{})
	c := p.dial(t, 1, Options{})
	_, err := c.Ask(testContext(t), []byte("how?"))
	wantReason(t, err, protocol.NotFound)
}

func TestFetchVerifies(t *testing.T) {
	d := newDesk()
	lie := protocol.Digest{9}
	d.payloads[lie] = []byte("something else")
	p := start(t, local, d, Options{})
	c := p.dial(t, 1, Options{})
	_, err := c.Fetch(testContext(t), lie, 100)
	wantReason(t, err, protocol.WrongContent)
}

func TestFollow(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	c := p.dial(t, 1, Options{})
	ctx := testContext(t)
	d.append("a", "b", "c")

	got := make(chan string, 100)
	follow := make(chan error, 1)
	fctx, cancel := context.WithCancel(ctx)
	go func() {
		follow <- c.Follow(fctx, 1, func(e []byte) error { got <- string(e); return nil })
	}()
	for _, want := range []string{"b", "c"} {
		if e := receive(t, got); e != want {
			t.Fatalf("entry %q, want %q", e, want)
		}
	}
	large := string(randomBytes(protocol.MaxMessageLen, 5))
	d.append("d", large)
	if e := receive(t, got); e != "d" {
		t.Fatalf("entry %q, want d", e)
	}
	if e := receive(t, got); e != large {
		t.Fatalf("large entry came with %d bytes", len(e))
	}
	cancel()
	if err := receive(t, follow); !errors.Is(err, context.Canceled) {
		t.Fatalf("follow ended with %v", err)
	}

	wantReason(t, c.Follow(ctx, 99, func([]byte) error { return nil }), protocol.NotFound)
	enough := errors.New("enough")
	if err := c.Follow(ctx, 0, func([]byte) error { return enough }); err != enough {
		t.Fatalf("follow ended with %v, want the callback's error", err)
	}
}

func TestManyClients(t *testing.T) {
	const num = 50
	d := newDesk()
	p := start(t, local, d, Options{})
	ctx := testContext(t)
	fail := make(chan error, num)
	for i := range num {
		go func() { fail <- oneClient(ctx, p, byte(i)) }()
	}
	for range num {
		if err := receive(t, fail); err != nil {
			t.Error(err)
		}
	}
	seen := map[protocol.NodeID]bool{}
	for range num {
		seen[receive(t, d.gone)] = true
	}
	if len(seen) != num || len(d.messages) != num || len(d.payloads) != num {
		t.Fatalf("%d peers gone, %d messages, %d payloads, want %d of each", len(seen), len(d.messages), len(d.payloads), num)
	}
	if n := p.Refusals(); len(n) != 0 {
		t.Fatalf("refusals: %v", n)
	}
}

func oneClient(ctx context.Context, p *place, n byte) error {
	c, _, err := Dial(ctx, p.addr, idOf(p.key), seeded(n), testHello(), Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	b := randomBytes(100<<10, uint64(n))
	if err := c.Put(ctx, protocol.Sum(b), int64(len(b)), bytes.NewReader(b)); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	if got, err := c.Fetch(ctx, protocol.Sum(b), 1<<20); err != nil || !bytes.Equal(got, b) {
		return fmt.Errorf("fetch: %d bytes, %w", len(got), err)
	}
	return c.Submit(ctx, []byte{n})
}
