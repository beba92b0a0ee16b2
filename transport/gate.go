package transport

// This file holds the limits on connections, before anybody is known by key.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"
)

// retryAbove is the number of unfinished handshakes from which a client has to
// show that it receives at the address it sends from.
const retryAbove = 64

// gate counts connections from their first datagram to their end.
type gate struct {
	opt     Options
	refused func()       // told of every connection turned away
	windows atomic.Int64 // bytes lent to connections beyond their first window

	mu        sync.Mutex
	total     int
	strangers int // connections that said no accepted Hello yet
	byAddress map[netip.Prefix]int
}

func newGate(opt Options, refused func()) *gate {
	return &gate{opt: opt, refused: refused, byAddress: make(map[netip.Prefix]int)}
}

// ticket is one connection's place; it travels in the connection's context.
type ticket struct {
	gate    *gate
	address netip.Prefix
	known   atomic.Bool  // an accepted Hello was said
	window  atomic.Int64 // bytes lent to it
}

type ticketKey struct{}

var errFull = errors.New("no room for another connection")

// network is what limits count by: hosts of a /64 are commonly one machine.
func network(addr net.Addr) netip.Prefix {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := udp.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// suspicious asks for address validation, so that forged addresses can neither
// fill the gate nor lock out the ones they name.
func (g *gate) suspicious(addr net.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.strangers >= retryAbove || g.byAddress[network(addr)] >= g.opt.PerAddress/2
}

// enter is called with the first datagram of a connection.
func (g *gate) enter(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	t := &ticket{gate: g, address: network(info.RemoteAddr)}
	g.mu.Lock()
	full := g.total >= g.opt.MaxConns || g.byAddress[t.address] >= g.opt.PerAddress
	if !full {
		g.total++
		g.strangers++
		g.byAddress[t.address]++
	}
	g.mu.Unlock()
	if full {
		g.refused()
		return nil, errFull
	}
	context.AfterFunc(ctx, t.leave)
	return context.WithValue(ctx, ticketKey{}, t), nil
}

func ticketOf(ctx context.Context) *ticket {
	t, _ := ctx.Value(ticketKey{}).(*ticket)
	return t
}

// admit ends the time as a stranger.
func (t *ticket) admit() {
	if t.known.Swap(true) {
		return
	}
	t.gate.mu.Lock()
	t.gate.strangers--
	t.gate.mu.Unlock()
}

func (t *ticket) leave() {
	t.admit()
	g := t.gate
	g.windows.Add(-t.window.Load())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.byAddress[t.address]--; g.byAddress[t.address] == 0 {
		delete(g.byAddress, t.address)
	}
}

// allowWindow lends a connection a larger receive window, if its peer is known
// and the sum over all connections allows. It runs under the flow controller's
// lock and takes none.
func (g *gate) allowWindow(conn *quic.Conn, delta uint64) bool {
	t := ticketOf(conn.Context())
	if t == nil || !t.known.Load() {
		return false
	}
	if g.windows.Add(int64(delta)) > g.opt.WindowBytes {
		g.windows.Add(-int64(delta))
		return false
	}
	t.window.Add(int64(delta))
	return true
}
