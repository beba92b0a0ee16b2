package coordinator_test

// This file tests what members may upload, and what lies on the disk already.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"lode/checkpoints"
	"lode/coordinator"
	"lode/coordinator/round"
	"lode/protocol"
	"lode/replica"
)

// desk is a coordinator in a round's training, on disk.
type desk struct {
	*coordinator.Coordinator
	rules *replica.Rules
	blobs *checkpoints.Blobs
	dir   string // of payloads
	end   func() error
}

// training starts a coordinator whose members joined and are all present.
func training(t *testing.T, r *replica.Rules, j coordinator.Journal, dir string, publish *coordinator.Publisher) *desk {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	blobs := payloads(t, r, dir)
	c, err := coordinator.New(coordinator.Config{
		Key: coordinatorKey, Rules: r, Journal: j, Payloads: blobs, Publish: publish, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }() // ends with ctx
	var once bool
	d := &desk{Coordinator: c, rules: r, blobs: blobs, dir: dir}
	d.end = func() error {
		if once {
			return nil
		}
		once = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { _ = d.end() })
	for i, k := range append(append([]ed25519.PrivateKey{}, workerKeys...), validatorKeys...) {
		if _, err := c.Arrive(ctx, idOf(k)); err != nil {
			t.Fatal(err)
		}
		p := newPuppet(r, nil, k, i >= len(workerKeys))
		_, join := p.answer(round.New(r.Manifest), protocol.KindJoin)
		err := c.Submit(ctx, idOf(k), protocol.Encode(protocol.Sign(k, r.Run, 0, join)))
		if err != nil && protocol.ReasonOf(err) != protocol.Duplicate {
			t.Fatal(err)
		}
	}
	return d
}

func (d *desk) put(ctx context.Context, from ed25519.PrivateKey, digest protocol.Digest, size int64, content []byte) (int64, error) {
	at, err := d.PutOffset(ctx, idOf(from), digest, size)
	if err != nil || at == size && size > 0 {
		return at, err
	}
	return d.Put(ctx, idOf(from), digest, size, at, bytes.NewReader(content[at:]))
}

func wantReason(t *testing.T, what string, err error, want protocol.Reason) {
	t.Helper()
	if got := protocol.ReasonOf(err); got != want {
		t.Errorf("%s: %v, want reason %d", what, err, want)
	}
}

func TestUploads(t *testing.T) {
	d := training(t, rules(t), newLocked(new(memory)), t.TempDir(), nil)
	ctx, worker := t.Context(), workerKeys[0]
	content := bytes.Repeat([]byte("ore "), 250)
	digest := protocol.Sum(content)

	_, err := d.put(ctx, keyOf(9), digest, 1000, content)
	wantReason(t, "a stranger", err, protocol.NotExpected)
	most := 3 * int64(d.rules.MaxPayload(0))
	_, err = d.put(ctx, worker, digest, most+1, content)
	wantReason(t, "more than the allowance", err, protocol.TooLarge)
	_, err = d.put(ctx, worker, protocol.Digest{1}, 1000, content)
	wantReason(t, "other content", err, protocol.WrongContent)

	at, err := d.put(ctx, worker, digest, 1000, content[:600])
	if at != 600 || err != nil {
		t.Fatalf("first part: %d, %v", at, err)
	}
	// A size below what is there already must not bring the server down: it would
	// be told of an offset past the end.
	_, err = d.PutOffset(ctx, idOf(keyOf(9)), digest, 500)
	wantReason(t, "a stranger with another size", err, protocol.NotExpected)
	at, err = d.PutOffset(ctx, idOf(worker), digest, 500)
	if at > 500 || err != nil {
		t.Errorf("a size below what is there: offset %d, %v", at, err)
	}
	at, err = d.put(ctx, worker, digest, 1000, content)
	if at != 1000 || err != nil {
		t.Fatalf("the rest: %d, %v", at, err)
	}
	if at, err := d.PutOffset(ctx, idOf(keyOf(9)), digest, 1000); at != 1000 || err != nil {
		t.Errorf("what is here already: %d, %v", at, err)
	}
	for _, size := range []int64{0, 999, 1001} {
		at, err := d.PutOffset(ctx, idOf(worker), digest, size)
		if err == nil {
			_, err = d.Put(ctx, idOf(worker), digest, size, at, bytes.NewReader(nil))
		}
		if err == nil || at > size {
			t.Errorf("another size, %d, of a whole payload: offset %d, %v", size, at, err)
		}
	}
}

// Junk in front of a payload, by another member, costs its owner one attempt.
func TestPoisonedPart(t *testing.T) {
	d := training(t, rules(t), newLocked(new(memory)), t.TempDir(), nil)
	content := bytes.Repeat([]byte("ore "), 250)
	digest := protocol.Sum(content)
	if at, err := d.put(t.Context(), workerKeys[1], digest, 1000, make([]byte, 400)); at != 400 || err != nil {
		t.Fatal(at, err)
	}
	_, err := d.put(t.Context(), workerKeys[0], digest, 1000, content)
	wantReason(t, "a part that was junk", err, protocol.Busy) // try again
	if at, err := d.put(t.Context(), workerKeys[0], digest, 1000, content); at != 1000 || err != nil {
		t.Errorf("again: %d, %v", at, err)
	}
}

// Uploads at the same time share one allowance.
func TestAllowanceIsTakenFirst(t *testing.T) {
	d := training(t, rules(t), newLocked(new(memory)), t.TempDir(), nil)
	most := 3 * int64(d.rules.MaxPayload(0))
	ctx, first := t.Context(), true
	inner := readerFunc(func([]byte) (int, error) {
		if first {
			first = false
			_, err := d.put(ctx, workerKeys[0], protocol.Digest{2}, most-999, make([]byte, most))
			wantReason(t, "a second upload meanwhile", err, protocol.TooLarge)
		}
		return 0, os.ErrClosed
	})
	if at, err := d.Put(ctx, idOf(workerKeys[0]), protocol.Digest{1}, 1000, 0, inner); at != 0 || err == nil {
		t.Fatal(at, err)
	}
	// What did not arrive is given back.
	if _, err := d.PutOffset(ctx, idOf(workerKeys[0]), protocol.Digest{3}, most); err != nil {
		t.Errorf("the allowance is lost: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// A crash after the last byte of a payload and before its digest was checked must
// not leave it unreachable for ever.
func TestPartWithAllBytes(t *testing.T) {
	content := bytes.Repeat([]byte("ore "), 250)
	for name, on := range map[string][]byte{"whole": content, "damaged": make([]byte, 1000)} {
		t.Run(name, func(t *testing.T) {
			r, dir, digest := rules(t), t.TempDir(), protocol.Sum(content)
			d := training(t, r, newLocked(new(memory)), dir, nil)
			if at, err := d.put(t.Context(), workerKeys[0], digest, 1000, content[:10]); at != 10 || err != nil {
				t.Fatal(at, err)
			}
			parts, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.part"))
			if more, _ := filepath.Glob(filepath.Join(dir, "*", "*.part")); err == nil {
				parts = append(parts, more...)
			}
			if len(parts) != 1 {
				t.Fatalf("parts on disk: %v", parts)
			}
			if err := os.WriteFile(parts[0], on, 0o600); err != nil {
				t.Fatal(err)
			}
			if at, err := d.put(t.Context(), workerKeys[0], digest, 1000, content); at != 1000 || err != nil {
				t.Fatalf("upload again: %d, %v", at, err)
			}
			in, size, err := d.Open(t.Context(), digest)
			if err != nil || size != 1000 {
				t.Fatalf("open: %d bytes, %v", size, err)
			}
			_ = in.Close()
		})
	}
}

// A caller whose coordinator dies is told to try again, and does not wait.
func TestCallsEndWithTheCoordinator(t *testing.T) {
	d := training(t, rules(t), newLocked(new(memory)), t.TempDir(), nil)
	if err := d.end(); err != nil {
		t.Fatalf("a stop is no failure: %v", err)
	}
	msg := protocol.Sign(workerKeys[0], d.rules.Run, 0, protocol.Commit{})
	wantReason(t, "submit", d.Submit(t.Context(), idOf(workerKeys[0]), protocol.Encode(msg)), protocol.Busy)
	_, err := d.Arrive(t.Context(), idOf(workerKeys[0]))
	wantReason(t, "arrive", err, protocol.Busy)
	_, err = d.Status(t.Context())
	wantReason(t, "status", err, protocol.Busy)
}

// A connection that flaps, and one that is given up while it is welcomed, leave
// the member counted as what it is.
func TestFlappingConnection(t *testing.T) {
	d := training(t, rules(t), newLocked(new(memory)), t.TempDir(), nil)
	n := idOf(workerKeys[0])
	present := func() (yes bool) {
		if err := d.Ask(t.Context(), func(m *round.Machine) {
			x, _ := m.Member(n)
			yes = x.Present
		}); err != nil {
			t.Fatal(err)
		}
		return yes
	}
	for range 20 {
		d.Depart(t.Context(), n)
		if present() {
			t.Fatal("present after it left")
		}
		if _, err := d.Arrive(t.Context(), n); err != nil || !present() {
			t.Fatalf("absent after it came: %v", err)
		}
	}
	d.Depart(t.Context(), n)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // whichever way the race goes
		if _, err := d.Arrive(gone, n); err == nil {
			d.Depart(t.Context(), n)
		}
		if present() {
			t.Fatal("a welcome that failed left its node present")
		}
	}
}

// The record's clock goes on although the machine's was set back by an hour: a
// round in which nobody commits is gathered anew when its minute is over.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, j := rules(t), new(memory)
		chain := protocol.Chain{Run: r.Run, Coordinator: r.Manifest.Coordinator}
		ahead := protocol.Instant(time.Now().Add(time.Hour).UnixNano())
		j.entries = [][]byte{protocol.Encode(chain.Append(coordinatorKey, ahead, protocol.Genesis{Run: r.Run}))}
		d := training(t, r, newLocked(j), t.TempDir(), nil)
		at := func() (entered, now protocol.Instant) {
			if err := d.Ask(t.Context(), func(m *round.Machine) { entered, now = m.Entered(), m.Now() }); err != nil {
				t.Fatal(err)
			}
			return entered, now
		}
		began, _ := at()
		if began < ahead {
			t.Fatal("the record runs back")
		}
		time.Sleep(59 * time.Second)
		if entered, _ := at(); entered != began {
			t.Error("the round was over before its time")
		}
		time.Sleep(2 * time.Second)
		if entered, now := at(); entered == began {
			t.Errorf("the round stands still, the record is at %.0f s", now.Sub(began).Seconds())
		}
	})
}
