package transport

// This file tests how many payloads are read at once, and by whom.

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lode/protocol"
)

func home(n byte) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 32)
}

// waiting begins a loan that has to wait, to the end of the test if need be.
func waiting(t *testing.T, l *loans, key, address byte) <-chan *loan {
	got := make(chan *loan, 1)
	go func() {
		n, err := l.take(t.Context(), &loan{key: protocol.NodeID{key}, address: home(address), member: true}, time.Hour)
		if err == nil {
			got <- n
		}
	}()
	synctest.Wait()
	if len(got) > 0 {
		t.Fatalf("key %d at %d did not wait", key, address)
	}
	return got
}

// One key has every place and a line behind it; who comes later and has none is
// served before it.
func TestLoansAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoans(4, 4, 4)
		var greedy []*loan
		for range 4 {
			n, err := l.take(t.Context(), &loan{key: protocol.NodeID{1}, address: home(1), member: true}, 0)
			if err != nil {
				t.Fatal(err)
			}
			greedy = append(greedy, n)
		}
		more := waiting(t, l, 1, 1)
		modest := waiting(t, l, 2, 2)
		neighbour := waiting(t, l, 3, 1)
		for i, turn := range []<-chan *loan{modest, neighbour, more} {
			if len(turn) > 0 {
				t.Fatalf("turn %d came early", i)
			}
			l.giveBack(greedy[i])
			synctest.Wait()
			if len(turn) != 1 {
				t.Fatalf("turn %d did not come", i)
			}
		}
	})
}

func TestLoansAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoans(2, 3, 5)
		take := func(key, address byte, patience time.Duration) (*loan, error) {
			return l.take(t.Context(), &loan{key: protocol.NodeID{key}, address: home(address), member: true}, patience)
		}
		for i, c := range []struct {
			key, address byte
			ok           bool
		}{
			{1, 1, true}, {1, 1, true}, {1, 1, false}, // the key
			{2, 1, true}, {3, 1, false}, // the address
			{4, 2, true}, {5, 3, true}, {6, 4, false}, // all
		} {
			began := time.Now()
			if _, err := take(c.key, c.address, 5*time.Second); (err == nil) != c.ok || err != nil && protocol.ReasonOf(err) != protocol.Busy {
				t.Fatalf("loan %d: %v", i, err)
			}
			if waited := time.Since(began); c.ok != (waited == 0) || waited > 5*time.Second {
				t.Errorf("loan %d: answered after %v", i, waited)
			}
		}
		// The line is as long as what may be read, and no address fills it.
		for range 3 {
			waiting(t, l, 7, 1)
		}
		began := time.Now()
		if _, err := take(8, 1, time.Hour); protocol.ReasonOf(err) != protocol.Busy {
			t.Errorf("a fourth of one address in the line: %v", err)
		}
		waiting(t, l, 9, 8)
		waiting(t, l, 9, 8)
		if _, err := take(10, 9, time.Hour); protocol.ReasonOf(err) != protocol.Busy {
			t.Errorf("a sixth in the line: %v", err)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("a full line was waited in for %v", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.take(ctx, &loan{key: protocol.NodeID{1}, address: home(1), member: true}, time.Hour); protocol.ReasonOf(err) != protocol.Busy {
			t.Errorf("nobody waits for it any more: %v", err)
		}
	})
}

// Strangers with many keys and addresses hold half of all places and wait in half
// of the line: a member is served at once.
func TestStrangersLeaveRoom(t *testing.T) {
	l := newLoans(8, 128, 1024)
	held, refused := 0, 0
	for i := range 2000 {
		n := &loan{key: protocol.NodeID{byte(i), byte(i >> 8)}, address: home(byte(i)), turn: make(chan struct{})}
		if !l.enter(n) {
			refused++
			continue
		}
		select {
		case <-n.turn:
			held++
		default:
		}
	}
	if held != 512 || refused != 2000-1024 {
		t.Errorf("strangers hold %d places, %d were refused", held, refused)
	}
	for i := range 512 {
		n := &loan{key: protocol.NodeID{1, 2, byte(i), byte(i >> 8)}, address: home(byte(i)), member: true}
		if _, err := l.take(t.Context(), n, 0); err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
	}
}

// Whatever comes and goes, no bound is passed, nobody who could be served waits,
// and nothing is left behind.
func TestLoansInAnyOrder(t *testing.T) {
	l := newLoans(2, 3, 5)
	rng := rand.New(rand.NewPCG(1, 2))
	var held, line []*loan
	for range 20_000 {
		if rng.IntN(2) == 0 {
			n := &loan{protocol.NodeID{byte(rng.IntN(6))}, home(byte(rng.IntN(4))), rng.IntN(2) == 0, make(chan struct{})}
			if l.enter(n) {
				line = append(line, n)
			}
		} else if len(line) > 0 && rng.IntN(4) == 0 {
			l.abandon(line[rng.IntN(len(line))])
		} else if len(held) > 0 {
			i := rng.IntN(len(held))
			l.giveBack(held[i])
			held = append(held[:i], held[i+1:]...)
		}
		for _, n := range line {
			select {
			case <-n.turn:
				held = append(held, n)
			default:
			}
		}
		line = slices.Clone(l.line)
		if l.next() >= 0 {
			t.Fatal("one waits who could be served")
		}
		byKey, byAddress, strange := map[protocol.NodeID]int{}, map[netip.Prefix]int{}, 0
		for _, n := range held {
			byKey[n.key]++
			byAddress[n.address]++
			if !n.member {
				strange++
			}
			if strange > 2 || byKey[n.key] > 2 || byAddress[n.address] > 3 || len(held) > 5 {
				t.Fatal("a bound was passed")
			}
		}
		if l.total != len(held) || len(l.byKey) != len(byKey) || len(l.byAddress) != len(byAddress) {
			t.Fatalf("%d loans are counted, %d are held", l.total, len(held))
		}
	}
}

// A key that reads as much as it may is told to wait and keeps nobody else from
// reading.
func TestGreedyReader(t *testing.T) {
	b := randomBytes(1000, 1)
	slow, quick := protocol.Digest{1}, protocol.Sum(b)
	d := &slowDesk{desk: newDesk(), slow: slow, began: make(chan struct{}, keyLoans), stop: make(chan struct{})}
	d.payloads[slow], d.payloads[quick] = b, b
	p := startWith(t, local, d.desk, d, Options{StallWindow: time.Second})
	ctx := testContext(t)
	greedy := p.dial(t, 1, Options{})
	ended := make(chan error, keyLoans)
	for range keyLoans {
		go func() {
			_, err := greedy.Get(ctx, slow, 0, io.Discard)
			ended <- err
		}()
	}
	for range keyLoans {
		receive(t, d.began)
	}
	_, err := greedy.Get(ctx, quick, 0, io.Discard)
	wantReason(t, err, protocol.Busy)
	var got bytes.Buffer
	if _, err := p.dial(t, 2, Options{}).Get(ctx, quick, 0, &got); err != nil || !bytes.Equal(got.Bytes(), b) {
		t.Errorf("another key: %v", err)
	}
	close(d.stop)
	for range keyLoans {
		if err := receive(t, ended); err != nil {
			t.Error(err)
		}
	}
	if _, err := greedy.Get(ctx, quick, 0, io.Discard); err != nil {
		t.Errorf("once it has read the others: %v", err)
	}
}

// slowDesk hands out one payload only once stop is closed.
type slowDesk struct {
	*desk
	slow  protocol.Digest
	began chan struct{}
	stop  chan struct{}
}

func (d *slowDesk) Open(ctx context.Context, peer protocol.NodeID, digest protocol.Digest) (io.ReadSeekCloser, int64, error) {
	if digest == d.slow {
		d.began <- struct{}{}
		<-d.stop
	}
	return d.desk.Open(ctx, peer, digest)
}
