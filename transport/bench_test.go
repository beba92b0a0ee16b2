package transport

// This file measures transfers against bare QUIC streams in the same run.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

const benchBytes = 64 << 20

// sink counts an upload and keeps nothing.
type sink struct{ *desk }

func (sink) PutOffset(context.Context, protocol.NodeID, protocol.Digest, int64) (int64, error) {
	return 0, nil
}

func (sink) Put(_ context.Context, _ protocol.NodeID, _ protocol.Digest, _, _ int64, r io.Reader) (int64, error) {
	return io.Copy(io.Discard, onlyReader{r})
}

// BenchmarkPut uploads 64 MiB; BenchmarkBareStream is its yardstick.
func BenchmarkPut(b *testing.B) {
	data := randomBytes(benchBytes, 1)
	digest := protocol.Sum(data)
	d := newDesk()
	p := startWith(b, local, d, sink{d}, Options{})
	c := p.dial(b, 1, Options{})
	b.SetBytes(benchBytes)
	for b.Loop() {
		if err := c.Put(context.Background(), digest, benchBytes, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet downloads 64 MiB.
func BenchmarkGet(b *testing.B) {
	data := randomBytes(benchBytes, 1)
	digest := protocol.Sum(data)
	d := newDesk()
	d.payloads[digest] = data
	p := start(b, local, d, Options{})
	c := p.dial(b, 1, Options{})
	b.SetBytes(benchBytes)
	for b.Loop() {
		if n, err := c.Get(context.Background(), digest, 0, io.Discard); err != nil || n != benchBytes {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkBareStream sends 64 MiB over a quic-go stream with default settings
// and waits for one byte back.
func BenchmarkBareStream(b *testing.B) {
	data := randomBytes(benchBytes, 1)
	cert, err := certificate(serverKey)
	if err != nil {
		b.Fatal(err)
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer udp.Close()
	l, err := quic.Listen(udp, listenTLS(cert, func(protocol.Reason) {}), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go drain(l)
	client, err := certificate(seeded(1))
	if err != nil {
		b.Fatal(err)
	}
	conn, err := quic.DialAddr(context.Background(), l.Addr().String(), dialTLS(client, idOf(serverKey)), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.CloseWithError(0, "")
	b.SetBytes(benchBytes)
	for b.Loop() {
		if err := bareSend(conn, data); err != nil {
			b.Fatal(err)
		}
	}
}

func drain(l *quic.Listener) {
	conn, err := l.Accept(context.Background())
	for err == nil {
		var s *quic.Stream
		if s, err = conn.AcceptStream(context.Background()); err == nil {
			_, _ = io.CopyBuffer(io.Discard, onlyReader{s}, make([]byte, 32<<10))
			_, _ = s.Write([]byte{1})
			_ = s.Close()
		}
	}
}

func bareSend(conn *quic.Conn, data []byte) error {
	s, err := conn.OpenStreamSync(context.Background())
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(s, onlyReader{bytes.NewReader(data)}, make([]byte, 128<<10)); err != nil {
		return err
	}
	_ = s.Close()
	_, err = io.ReadAll(s)
	return err
}

// BenchmarkFollow replays 20,000 entries of 300 bytes.
func BenchmarkFollow(b *testing.B) {
	const num, length = 20_000, 300
	d := newDesk()
	for i := range num {
		d.entries = append(d.entries, randomBytes(length, uint64(i)))
	}
	p := start(b, local, d, Options{})
	c := p.dial(b, 1, Options{})
	b.SetBytes(num * length)
	for b.Loop() {
		n, enough := 0, fmt.Errorf("enough")
		err := c.Follow(context.Background(), 0, func([]byte) error {
			if n++; n == num {
				return enough
			}
			return nil
		})
		if err != enough {
			b.Fatal(err)
		}
	}
}
