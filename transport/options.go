package transport

// This file holds what a machine may choose about its connections.

import (
	"time"

	"github.com/quic-go/quic-go"
)

// Options are a node's own choices. Zero means the default.
type Options struct {
	// Handshake bounds the time from the first datagram to the Welcome, in two
	// halves: TLS and Hello. Default 5 s each, time for three lost datagrams.
	Handshake time.Duration
	// KeepAlive is how often a silent client says that it lives. Default 1 s.
	KeepAlive time.Duration
	// Idle is the silence after which the other side is taken for dead. The
	// smaller value of both sides counts. Default 4 s, four lost keep-alives: a
	// server that was killed and is back cannot answer keep-alives with a stateless
	// reset, which has to be shorter than what it answers (RFC 9000, 10.3.3), so a
	// client that only listens finds out by this.
	Idle time.Duration
	// MinRate is the slowest transfer that is kept, in bytes per second over
	// StallWindow. Default 1,024; negative is no limit.
	MinRate int64
	// StallWindow is the time waited for the other side over which MinRate is
	// measured. Default 10 s.
	StallWindow time.Duration
	// MaxTransfer is the longest one payload may take however fast it moves.
	// Default 1 h.
	MaxTransfer time.Duration
	// MaxStreams bounds the requests of one connection that run at once.
	// Default 32.
	MaxStreams int
	// PerAddress bounds the connections of one IPv4 address or IPv6 /64
	// network. Default 256, a lecture room behind one address.
	PerAddress int
	// PerKey bounds the connections of one key that exist at once, of which one
	// is served. Default 4.
	PerKey int
	// MaxConns bounds all connections. Default 16,384.
	MaxConns int
	// WindowBytes bounds what all connections together may have on the way to
	// this server beyond a first 192 KiB each. Default 512 MiB.
	WindowBytes int64
	// MaxBackoff is the longest pause of a Session between two attempts while
	// somebody listens; while nobody does, it is at most 2 s. Default 10 s.
	MaxBackoff time.Duration
}

// orDefault returns the options with every zero replaced.
func (o Options) orDefault() Options {
	set(&o.Handshake, 5*time.Second)
	set(&o.KeepAlive, time.Second)
	set(&o.Idle, 4*time.Second)
	set(&o.MinRate, 1024)
	set(&o.StallWindow, 10*time.Second)
	set(&o.MaxTransfer, time.Hour)
	set(&o.MaxStreams, 32)
	set(&o.PerAddress, 256)
	set(&o.PerKey, 4)
	set(&o.MaxConns, 16384)
	set(&o.WindowBytes, 512<<20)
	set(&o.MaxBackoff, 10*time.Second)
	return o
}

func set[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Receive windows in bytes. A connection's window is above a stream's so that
// one stream nobody reads does not stop the others of its connection.
const (
	firstStreamWindow = 128 << 10
	firstConnWindow   = 192 << 10
	mostStreamWindow  = 6 << 20
	mostConnWindow    = 9 << 20
)

func (o Options) config() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           o.Handshake,
		MaxIdleTimeout:                 o.Idle,
		InitialStreamReceiveWindow:     firstStreamWindow,
		MaxStreamReceiveWindow:         mostStreamWindow,
		InitialConnectionReceiveWindow: firstConnWindow,
		MaxConnectionReceiveWindow:     mostConnWindow,
		MaxIncomingUniStreams:          -1,
	}
}

// dialConfig lets the server open no stream.
func (o Options) dialConfig() *quic.Config {
	c := o.config()
	c.KeepAlivePeriod = o.KeepAlive
	c.MaxIncomingStreams = -1
	return c
}

// listenConfig counts a request until its goroutine has ended, so that a client
// that opens and cancels cannot pile them up. The clients' keep-alives are
// answered, so the server sends none.
func (o Options) listenConfig(g *gate) *quic.Config {
	c := o.config()
	c.MaxIncomingStreams = int64(o.MaxStreams)
	c.RequireStreamCreditRelease = true
	c.AllowConnectionWindowIncrease = g.allowWindow
	return c
}
