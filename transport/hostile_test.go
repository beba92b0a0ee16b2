package transport

// This file tests that junk, excess and stalling hurt only the one who sends it.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// greeted connects and says hello by hand.
func (p *place) greeted(t testing.TB, n byte) *quic.Conn {
	t.Helper()
	conn := p.raw(t, rawTLS(t, n, protocol.ALPN))
	s := openRaw(t, conn)
	writeRaw(t, s, appendRequest(nil, kindHello, protocol.Encode(testHello())))
	if _, err := readAnswer(s, protocol.MaxMessageLen); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.CancelRead(0)
	return conn
}

func openRaw(t testing.TB, conn *quic.Conn) *quic.Stream {
	t.Helper()
	s, err := conn.OpenStreamSync(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func writeRaw(t testing.TB, s *quic.Stream, b []byte) {
	t.Helper()
	if _, err := s.Write(b); err != nil {
		t.Fatal(err)
	}
}

func head(k kind, reserved byte, n uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{byte(k), reserved, 0, 0}, n)
}

func TestBadRequests(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	conn := p.greeted(t, 1)
	follow := protocol.Encode(followBody{})
	tests := []struct {
		name  string
		bytes []byte
		want  protocol.Reason
	}{
		{"empty", nil, protocol.Malformed},
		{"half a head", []byte{1, 0, 0}, protocol.Malformed},
		{"kind 0", head(0, 0, 0), protocol.Malformed},
		{"unknown kind", head(200, 0, 0), protocol.Malformed},
		{"reserved byte", head(kindSubmit, 1, 0), protocol.Malformed},
		{"message too long", head(kindSubmit, 0, protocol.MaxMessageLen+1), protocol.TooLarge},
		{"as long as can be written", head(kindSubmit, 0, 1<<32-1), protocol.TooLarge},
		{"body too long", head(kindFollow, 0, maxSmallBody+1), protocol.TooLarge},
		{"status with a body", head(kindStatus, 0, 1), protocol.TooLarge},
		{"question too long", head(kindAsk, 0, MaxQuestionLen+1), protocol.TooLarge},
		{"bytes after a question", append(appendRequest(nil, kindAsk, []byte("x")), 0), protocol.Malformed},
		{"body cut short", append(head(kindSubmit, 0, 10), 1, 2), protocol.Malformed},
		{"long body cut short", append(head(kindSubmit, 0, 100_000), make([]byte, 9000)...), protocol.Malformed},
		{"no CBOR", append(head(kindFollow, 0, 2), 0xff, 0xff), protocol.Malformed},
		{"no CBOR to get", append(head(kindGet, 0, 1), 0x80), protocol.Malformed},
		{"no CBOR to put", append(head(kindPut, 0, 1), 0x80), protocol.Malformed},
		{"bytes after it", append(appendRequest(nil, kindFollow, follow), 0), protocol.Malformed},
		{"bytes after a message", append(appendRequest(nil, kindSubmit, []byte("x")), 0), protocol.Malformed},
		{"second hello", appendRequest(nil, kindHello, protocol.Encode(testHello())), protocol.Malformed},
		{"huge payload", appendRequest(nil, kindPut, protocol.Encode(putBody{Size: 1 << 63})), protocol.TooLarge},
		{"offset past everything", appendRequest(nil, kindGet, protocol.Encode(getBody{Offset: 1 << 63})), protocol.NotFound},
	}
	want := map[protocol.Reason]uint64{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := openRaw(t, conn)
			writeRaw(t, s, test.bytes)
			s.Close()
			_, err := readAnswer(s, maxSmallReply)
			wantReason(t, err, test.want)
		})
		want[test.want]++
	}
	// The connection has survived all of it.
	s := openRaw(t, conn)
	writeRaw(t, s, appendRequest(nil, kindStatus, nil))
	s.Close()
	if b, err := readAnswer(s, MaxStatusLen); err != nil || len(b) == 0 {
		t.Fatalf("status %q, %v", b, err)
	}
	for reason, n := range want {
		if got := p.Refusals()[reason]; got != n {
			t.Errorf("%d refusals %q, want %d", got, reason, n)
		}
	}
	if len(d.messages) != 0 {
		t.Fatal("a bad message was handed on")
	}
}

// Requests that are cancelled do not pile up: each returns its place.
func TestCancelledRequests(t *testing.T) {
	d := newDesk()
	d.hold = make(chan struct{})
	p := start(t, local, d, Options{MaxStreams: 4})
	c := p.dial(t, 1, Options{})
	ctx := testContext(t)
	for range 50 {
		one, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- c.Submit(one, []byte("x")) }()
		cancel()
		if err := receive(t, done); !errors.Is(err, context.Canceled) {
			t.Fatalf("submit: %v", err)
		}
	}
	if _, err := c.Status(ctx); err != nil {
		t.Fatal(err)
	}
	close(d.hold)
}

func TestBadHello(t *testing.T) {
	good := protocol.Encode(testHello())
	other := testHello()
	other.Version = 9
	tests := []struct {
		name  string
		bytes []byte
		want  protocol.Reason
	}{
		{"another request", appendRequest(nil, kindStatus, nil), protocol.Malformed},
		{"too long", head(kindHello, 0, maxSmallBody+1), protocol.TooLarge},
		{"not canonical", appendRequest(nil, kindHello, append([]byte{0x98}, good...)), protocol.Malformed},
		{"cut short", appendRequest(nil, kindHello, good)[:20], protocol.Malformed},
		{"version", appendRequest(nil, kindHello, protocol.Encode(other)), protocol.WrongVersion},
	}
	d := newDesk()
	p := start(t, local, d, Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := p.raw(t, rawTLS(t, 1, protocol.ALPN))
			s := openRaw(t, conn)
			writeRaw(t, s, test.bytes)
			s.Close()
			if end := closedWith(t, conn); end.ErrorCode != quic.ApplicationErrorCode(test.want) {
				t.Fatalf("ended with %d %q, want %d", end.ErrorCode, end.ErrorMessage, test.want)
			}
		})
	}
	if len(d.hellos) != 0 || len(d.gone) != 0 {
		t.Fatal("the handler heard of a peer that said no hello")
	}
}

func TestSilentHello(t *testing.T) {
	p := start(t, local, newDesk(), Options{Handshake: 100 * time.Millisecond})
	for name, say := range map[string]func(*quic.Conn){
		"nothing":  func(*quic.Conn) {},
		"one byte": func(c *quic.Conn) { writeRaw(t, openRaw(t, c), []byte{1}) },
	} {
		conn := p.raw(t, rawTLS(t, 1, protocol.ALPN))
		say(conn)
		if end := closedWith(t, conn); end.ErrorCode == 0 || end.ErrorCode >= codeReplaced {
			t.Fatalf("%s: ended with %v", name, end)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Run("key", func(t *testing.T) {
		p := start(t, local, newDesk(), Options{PerKey: 2})
		ended := make(chan *quic.Conn, 3)
		for range cap(ended) {
			conn := p.raw(t, rawTLS(t, 1, protocol.ALPN))
			context.AfterFunc(conn.Context(), func() { ended <- conn })
		}
		// Which of the three comes third to the server is its own affair.
		end := closedWith(t, receive(t, ended))
		if end.ErrorCode != quic.ApplicationErrorCode(protocol.Busy) {
			t.Fatalf("ended with %v", end)
		}
		p.dial(t, 2, Options{})
	})
	for name, opt := range map[string]Options{"address": {PerAddress: 3}, "all": {MaxConns: 3}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, local, newDesk(), opt)
			first := p.dial(t, 1, Options{})
			p.dial(t, 2, Options{})
			p.raw(t, rawTLS(t, 3, protocol.ALPN))
			_, _, err := Dial(testContext(t), p.addr, idOf(serverKey), seeded(4), testHello(), Options{})
			wantReason(t, err, protocol.Busy)
			if p.Refusals()[protocol.Full] == 0 {
				t.Fatal("the refusal was not counted")
			}
			first.Close()
			receive(t, p.desk.gone)
			again := func() error {
				c, _, err := Dial(testContext(t), p.addr, idOf(serverKey), seeded(4), testHello(), Options{})
				if err == nil {
					c.Close()
				}
				return err
			}
			// The place is free a moment after Gone, when the connection's
			// context ends.
			for err = again(); protocol.ReasonOf(err) == protocol.Busy; err = again() {
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Clients get through while every address has to be validated.
func TestRetry(t *testing.T) {
	p := start(t, local, newDesk(), Options{PerAddress: 4})
	for n := range byte(4) {
		if n >= 2 && !p.quic.VerifySourceAddress(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) {
			t.Fatal("a crowded address is not validated")
		}
		c := p.dial(t, n, Options{})
		if _, err := c.Status(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJunkDatagrams(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	c := p.dial(t, 1, Options{})
	u, err := net.Dial("udp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		b := randomBytes(rng.IntN(1500), uint64(i))
		if len(b) > 5 && i%3 == 0 {
			// An Initial packet of QUIC version 1 with junk in it.
			copy(b, []byte{0xc0 | b[0]&0x0f, 0, 0, 0, 1})
		}
		if _, err := u.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	ctx := testContext(t)
	if err := c.Submit(ctx, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	p.dial(t, 2, Options{})
}

// quick makes stalls visible in a moment.
var quick = Options{StallWindow: 150 * time.Millisecond, MinRate: 10_000}

// Streams that stall in one way or another are cut with a reason, while a
// request of the same connection and one of another connection go on.
func TestStalls(t *testing.T) {
	big := randomBytes(20<<20, 3)
	digest := protocol.Sum(big)
	tests := []struct {
		name string
		// stall begins a request on s and returns how its end shows.
		stall func(t *testing.T, p *place, s *quic.Stream) error
	}{
		{"half a head", func(t *testing.T, p *place, s *quic.Stream) error {
			writeRaw(t, s, []byte{byte(kindSubmit)})
			_, err := readAnswer(s, 0)
			return err
		}},
		{"half a message", func(t *testing.T, p *place, s *quic.Stream) error {
			writeRaw(t, s, append(head(kindSubmit, 0, 100_000), 1, 2, 3))
			_, err := readAnswer(s, 0)
			return err
		}},
		{"no end", func(t *testing.T, p *place, s *quic.Stream) error {
			writeRaw(t, s, appendRequest(nil, kindStatus, nil))
			_, err := readAnswer(s, 0)
			return err
		}},
		{"half a payload", func(t *testing.T, p *place, s *quic.Stream) error {
			b := []byte("payload that never comes")
			writeRaw(t, s, appendRequest(nil, kindPut, protocol.Encode(putBody{Digest: protocol.Sum(b), Size: uint64(len(b))})))
			if _, err := readLength(s); err != nil {
				t.Fatal(err)
			}
			writeRaw(t, s, b[:7])
			_, err := readLength(s)
			return err
		}},
		{"trickle", func(t *testing.T, p *place, s *quic.Stream) error {
			b := randomBytes(1<<20, 4)
			writeRaw(t, s, appendRequest(nil, kindPut, protocol.Encode(putBody{Digest: protocol.Sum(b), Size: uint64(len(b))})))
			if _, err := readLength(s); err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for i := range b {
				<-tick.C
				if _, err := s.Write(b[i : i+1]); err != nil {
					_, err = readLength(s)
					return err
				}
			}
			return nil
		}},
		{"reader of a payload", func(t *testing.T, p *place, s *quic.Stream) error {
			writeRaw(t, s, appendRequest(nil, kindGet, protocol.Encode(getBody{Digest: digest})))
			s.Close()
			return readReset(t, p, s)
		}},
		{"reader of the record", func(t *testing.T, p *place, s *quic.Stream) error {
			writeRaw(t, s, appendRequest(nil, kindFollow, protocol.Encode(followBody{})))
			s.Close()
			return readReset(t, p, s)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			d.payloads[digest] = big
			for range 20 {
				d.entries = append(d.entries, big[:protocol.MaxMessageLen])
			}
			p := start(t, local, d, quick)
			other := p.dial(t, 2, Options{})
			conn := p.greeted(t, 1)
			s := openRaw(t, conn)
			cut := make(chan error, 1)
			go func() { cut <- test.stall(t, p, s) }()
			for live := true; live; {
				select {
				case err := <-cut:
					wantReason(t, explain(err), protocol.Unavailable)
					live = false
				default:
				}
				if _, err := other.Status(testContext(t)); err != nil {
					t.Fatal(err)
				}
			}
			beside := openRaw(t, conn)
			writeRaw(t, beside, appendRequest(nil, kindStatus, nil))
			beside.Close()
			if _, err := readAnswer(beside, MaxStatusLen); err != nil {
				t.Fatal(err)
			}
			if p.Refusals()[protocol.Unavailable] != 1 {
				t.Fatalf("refusals %v", p.Refusals())
			}
		})
	}
}

// readReset reads nothing until the server must have given up, then finds the
// reset behind the bytes that were on the way.
func readReset(t *testing.T, p *place, s *quic.Stream) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := testContext(t); p.Refusals()[protocol.Unavailable] == 0; { // nothing is read before the stall is over
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_, err := io.Copy(io.Discard, s)
	return err
}

// A transfer that is slow but moves is kept, until the hard cap.
func TestSlowIsKept(t *testing.T) {
	b := randomBytes(4000, 8)
	for name, hard := range map[string]time.Duration{"kept": 0, "capped": 250 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt := Options{StallWindow: 250 * time.Millisecond, MinRate: 100, MaxTransfer: hard}
			p := start(t, local, newDesk(), opt)
			c := p.dial(t, 1, Options{})
			began := time.Now()
			err := c.Put(testContext(t), protocol.Sum(b), int64(len(b)), &trickle{b: b, step: 100, every: 25 * time.Millisecond})
			if hard == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < 3*opt.StallWindow {
					t.Fatalf("took only %v: too fast to show anything", took)
				}
				return
			}
			wantReason(t, err, protocol.Unavailable)
			if !strings.Contains(err.Error(), "longer than it may") {
				t.Fatalf("error %v", err)
			}
		})
	}
}

// trickle gives step bytes every tick.
type trickle struct {
	b     []byte
	step  int
	every time.Duration
}

func (r *trickle) ReadAt(b []byte, off int64) (int, error) {
	time.Sleep(r.every) // the slowness itself
	return bytes.NewReader(r.b).ReadAt(b[:min(len(b), r.step)], off)
}
