package transport

// This file holds the program behind the server in tests: everything in memory.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lode/protocol"
)

type desk struct {
	welcome Welcome
	hellos  chan protocol.NodeID
	gone    chan protocol.NodeID
	follows chan uint64 // index asked for

	refuse    error         // of every Hello
	strangers bool          // nobody is a member
	hold      chan struct{} // Submit waits for it, if set
	onPut     func(digest protocol.Digest, size, offset int64, r io.Reader) (io.Reader, error)

	mu       sync.Mutex
	messages [][]byte
	entries  [][]byte
	grown    chan struct{}
	payloads map[protocol.Digest][]byte
	offsets  []int64 // that uploads began with
}

func testManifest() protocol.Manifest {
	return protocol.Manifest{Version: protocol.Version, Name: "test"}
}

func newDesk() *desk {
	m := testManifest()
	return &desk{
		welcome:  Welcome{Version: protocol.Version, Run: m.ID(), Manifest: protocol.Encode(m), Next: 7, Software: "desk"},
		hellos:   make(chan protocol.NodeID, 1000),
		gone:     make(chan protocol.NodeID, 1000),
		follows:  make(chan uint64, 1000),
		grown:    make(chan struct{}),
		payloads: make(map[protocol.Digest][]byte),
	}
}

func (d *desk) Hello(_ context.Context, peer protocol.NodeID, h Hello) (Welcome, error) {
	if d.refuse != nil {
		return Welcome{}, d.refuse
	}
	if h.Run != d.welcome.Run {
		return Welcome{}, protocol.Refuse(protocol.WrongRun, "this is run %s", d.welcome.Run.Short())
	}
	d.hellos <- peer
	return d.welcome, nil
}

func (d *desk) Gone(peer protocol.NodeID) { d.gone <- peer }

func (d *desk) Member(context.Context, protocol.NodeID) bool { return !d.strangers }

func (d *desk) Submit(ctx context.Context, _ protocol.NodeID, message []byte) error {
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if bytes.Equal(message, []byte("no")) {
		return protocol.Refuse(protocol.WrongPhase, "not now")
	}
	if bytes.Equal(message, []byte("fault")) {
		return errors.New("disk on fire")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages = append(d.messages, message)
	return nil
}

func (d *desk) append(entries ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		d.entries = append(d.entries, []byte(e))
	}
	close(d.grown)
	d.grown = make(chan struct{})
}

func (d *desk) Follow(ctx context.Context, _ protocol.NodeID, from uint64, send func([]byte) error) error {
	d.follows <- from
	for {
		d.mu.Lock()
		entries, grown := d.entries, d.grown
		d.mu.Unlock()
		if from > uint64(len(entries)) {
			return protocol.Refuse(protocol.NotFound, "the record has %d entries", len(entries))
		}
		for _, e := range entries[from:] {
			if err := send(e); err != nil {
				return err
			}
			from++
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *desk) PutOffset(_ context.Context, _ protocol.NodeID, digest protocol.Digest, size int64) (int64, error) {
	if size > 1<<30 {
		return 0, protocol.Refuse(protocol.TooLarge, "at most a GiB")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := int64(len(d.payloads[digest]))
	d.offsets = append(d.offsets, n)
	return n, nil
}

func (d *desk) Put(_ context.Context, _ protocol.NodeID, digest protocol.Digest, size, offset int64, r io.Reader) (int64, error) {
	if d.onPut != nil {
		var err error
		if r, err = d.onPut(digest, size, offset, r); err != nil {
			return offset, err
		}
	}
	d.mu.Lock()
	have := bytes.Clone(d.payloads[digest])
	d.mu.Unlock()
	buf := bytes.NewBuffer(have)
	_, err := io.Copy(buf, r)
	d.mu.Lock()
	defer d.mu.Unlock()
	b := buf.Bytes()
	d.payloads[digest] = b
	if err == nil && protocol.Sum(b) != digest {
		delete(d.payloads, digest)
		err = protocol.Refuse(protocol.WrongContent, "not what was named")
	}
	return int64(len(b)), err
}

type shelved struct{ *bytes.Reader }

func (shelved) Close() error { return nil }

func (d *desk) Open(_ context.Context, _ protocol.NodeID, digest protocol.Digest) (io.ReadSeekCloser, int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.payloads[digest]
	if !ok {
		return nil, 0, protocol.Refuse(protocol.NotFound, "no payload %s", digest.Short())
	}
	return shelved{bytes.NewReader(b)}, int64(len(b)), nil
}

func (d *desk) Status(context.Context, protocol.NodeID) ([]byte, error) {
	return []byte(`{"round":3}`), nil
}

// Ask answers with the question.
func (d *desk) Ask(_ context.Context, _ protocol.NodeID, question []byte) ([]byte, error) {
	switch string(question) {
	case "no":
		return nil, protocol.Refuse(protocol.NotFound, "no ledger")
	case "most":
		return make([]byte, MaxAnswerLen), nil
	case "too much":
		return make([]byte, MaxAnswerLen+1), nil
	}
	return append([]byte("re: "), question...), nil
}

// place is a running server.
type place struct {
	*Server
	desk *desk
	addr string
	key  ed25519.PrivateKey
	stop func() // and wait

	killed atomic.Bool // the socket was taken away
}

func seeded(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

var serverKey = seeded(200)

// start runs a server on addr until the test or stop ends it.
func start(t testing.TB, addr string, d *desk, opt Options) *place {
	t.Helper()
	return startWith(t, addr, d, d, opt)
}

func startWith(t testing.TB, addr string, d *desk, h Handler, opt Options) *place {
	t.Helper()
	s, err := Listen(addr, serverKey, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, h) }()
	p := &place{Server: s, desk: d, addr: s.Addr().String(), key: serverKey}
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) && !p.killed.Load() {
				t.Errorf("serve: %v", err)
			}
		})
	}
	t.Cleanup(p.stop)
	return p
}

func testHello() Hello {
	return Hello{Version: protocol.Version, Run: testManifest().ID(), Role: protocol.Worker, Software: "test"}
}

// dial connects as the n-th node until the test ends.
func (p *place) dial(t testing.TB, n byte, opt Options) *Client {
	t.Helper()
	c, w, err := Dial(testContext(t), p.addr, idOf(p.key), seeded(n), testHello(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if w.Next != p.desk.welcome.Next || w.Software != "desk" {
		t.Fatalf("welcome: %+v", w)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// testContext ends after a time no test needs.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(15 * time.Second):
		t.Fatal("nothing came within 15 s")
		panic("unreachable")
	}
}

func wantReason(t testing.TB, err error, want protocol.Reason) {
	t.Helper()
	var r *protocol.Refusal
	if !errors.As(err, &r) || r.Reason != want {
		t.Fatalf("error %v, want a refusal: %v", err, want)
	}
}
