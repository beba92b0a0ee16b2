package transport

// This file tests why a connection does not come about, and what people read.

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"lode/protocol"
)

// rawTLS is a client that a test can spoil.
func rawTLS(t testing.TB, n byte, protocols ...string) *tls.Config {
	t.Helper()
	cert, err := certificate(seeded(n))
	if err != nil {
		t.Fatal(err)
	}
	c := dialTLS(cert, idOf(serverKey))
	c.NextProtos = protocols
	return c
}

// raw connects without a hello.
func (p *place) raw(t testing.TB, c *tls.Config) *quic.Conn {
	t.Helper()
	conn, err := p.rawDial(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (p *place) rawDial(t testing.TB, c *tls.Config) (*quic.Conn, error) {
	t.Helper()
	conn, err := quic.DialAddr(testContext(t), p.addr, c, Options{}.orDefault().dialConfig())
	if err == nil {
		t.Cleanup(func() { conn.CloseWithError(0, "") })
	}
	return conn, err
}

// closedWith waits for the end of conn and returns its code and text.
func closedWith(t testing.TB, conn *quic.Conn) *quic.ApplicationError {
	t.Helper()
	receive(t, conn.Context().Done())
	var a *quic.ApplicationError
	if err := context.Cause(conn.Context()); !errors.As(err, &a) {
		t.Fatalf("connection ended with %v", err)
	}
	return a
}

func TestDialRefused(t *testing.T) {
	p := start(t, local, newDesk(), Options{})
	closed := newDesk()
	closed.refuse = protocol.Refuse(protocol.NotInvited, "ask the owner")
	private := start(t, local, closed, Options{})

	nobody, err := net.ListenPacket("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	free := nobody.LocalAddr().String()
	nobody.Close()
	silent, err := net.ListenPacket("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	hello := testHello()
	otherRun, otherVersion, noRole, long := hello, hello, hello, hello
	otherRun.Run[0]++
	otherVersion.Version++
	noRole.Role = 77
	long.Software = strings.Repeat("x", MaxSoftwareLen+1)

	tests := []struct {
		name   string
		addr   string
		key    byte
		hello  Hello
		reason protocol.Reason // or
		is     error
		text   string
	}{
		{"wrong key", p.addr, 201, hello, 0, ErrWrongKey, "holds another key than the link says"},
		{"nobody", free, 200, hello, 0, ErrNobody, "nothing listens there"},
		{"silence", silent.LocalAddr().String(), 200, hello, 0, ErrSilence, "firewall"},
		{"wrong run", p.addr, 200, otherRun, protocol.WrongRun, nil, "this is run"},
		{"not invited", private.addr, 200, hello, protocol.NotInvited, nil, "ask the owner"},
		{"own version", p.addr, 200, otherVersion, protocol.WrongVersion, nil, "version 1"},
		{"no role", p.addr, 200, noRole, protocol.WrongRole, nil, "role 77"},
		{"long name", p.addr, 200, long, protocol.TooLarge, nil, "33 bytes"},
		{"no port", "127.0.0.1", 200, hello, 0, nil, "missing port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opt := Options{Handshake: 300 * time.Millisecond}
			c, _, err := Dial(testContext(t), test.addr, idOf(seeded(test.key)), seeded(1), test.hello, opt)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if test.reason != 0 {
				wantReason(t, err, test.reason)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Fatalf("error %v, want %v", err, test.is)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Fatalf("error %q does not say %q", err, test.text)
			}
		})
	}
	if _, _, err := Dial(testContext(t), p.addr, idOf(serverKey), nil, hello, Options{}); err == nil {
		t.Fatal("dialled without a key")
	}
	if _, err := Listen(local, seeded(1)[:5], Options{}); err == nil {
		t.Fatal("listens with half a key")
	}
	if _, err := Listen(p.addr, serverKey, Options{}); err == nil {
		t.Fatal("two servers on one port")
	}
}

func TestDialCancelled(t *testing.T) {
	silent, err := net.ListenPacket("udp4", local)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err = Dial(ctx, silent.LocalAddr().String(), idOf(serverKey), seeded(1), testHello(), Options{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the context's", err)
	}
}

// A peer of another version is told both versions, one that speaks something
// else entirely gets TLS's alert.
func TestOtherProtocol(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	end := closedWith(t, p.raw(t, rawTLS(t, 1, "lode/999")))
	if end.ErrorCode != quic.ApplicationErrorCode(protocol.WrongVersion) ||
		!strings.Contains(end.ErrorMessage, protocol.ALPN) || !strings.Contains(end.ErrorMessage, "lode/999") {
		t.Fatalf("ended with %d %q", end.ErrorCode, end.ErrorMessage)
	}
	_, err := p.rawDial(t, rawTLS(t, 1, "h3"))
	err = explainDial(err, p.addr, 0)
	wantReason(t, err, protocol.WrongVersion)
	if !strings.Contains(err.Error(), protocol.ALPN) {
		t.Fatalf("error %q does not name the version", err)
	}
	if p.Refusals()[protocol.WrongVersion] != 1 || len(d.hellos) != 0 {
		t.Fatalf("refusals %v, hellos %d", p.Refusals(), len(d.hellos))
	}
}

// Certificates other than one self-signed Ed25519 certificate are turned away.
func TestBadCertificates(t *testing.T) {
	d := newDesk()
	p := start(t, local, d, Options{})
	good, err := certificate(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	two := good
	two.Certificate = [][]byte{good.Certificate[0], good.Certificate[0]}

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ec.Public(), ec)
	if err != nil {
		t.Fatal(err)
	}
	other := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ec}

	// Signed by another key: the parent's.
	der, err = x509.CreateCertificate(rand.Reader, template, template, seeded(1).Public(), seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	foreign := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: seeded(1)}

	for name, certs := range map[string][]tls.Certificate{
		"none": nil, "two": {two}, "ecdsa": {other}, "foreign": {foreign},
	} {
		t.Run(name, func(t *testing.T) {
			c := rawTLS(t, 1, protocol.ALPN)
			c.Certificates = certs
			conn, err := p.rawDial(t, c)
			if err == nil {
				receive(t, conn.Context().Done())
				err = context.Cause(conn.Context())
			}
			var tr *quic.TransportError
			if !errors.As(err, &tr) || !tr.Remote || !tr.ErrorCode.IsCryptoError() {
				t.Fatalf("error %v, want a TLS alert from the server", err)
			}
			wantReason(t, explainDial(err, p.addr, 0), protocol.BadSignature)
		})
	}
	if len(d.hellos) != 0 {
		t.Fatal("the handler heard of somebody")
	}
}

func TestServerNeedsNoName(t *testing.T) {
	p := start(t, ":0", newDesk(), Options{})
	_, port, err := net.SplitHostPort(p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		c, _, err := Dial(testContext(t), net.JoinHostPort(host, port), idOf(serverKey), seeded(1), testHello(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}
