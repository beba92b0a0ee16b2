package transport

// This file holds the UDP socket under a node's connections.

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
)

// socketBuffer is what is asked of the kernel for each direction, in bytes:
// quic-go's recommendation. Less is slower, not wrong.
const socketBuffer = 7 << 20

// socket is a UDP socket whose buffers are set as far as the kernel allows.
// quic-go prints a warning on the standard logger, once, if it reads back less
// than it asked for. It cannot read back without the raw socket, so the raw
// socket is withheld until it has asked for both buffers; it needs it later to
// set the don't-fragment bit and to send in batches.
type socket struct {
	*net.UDPConn
	asked atomic.Uint32 // bit 0: receive buffer, bit 1: send buffer
}

var errNotYet = errors.New("buffers are not set yet")

// openSocket binds addr, or any free port of the family if addr has port 0.
func openSocket(network string, addr *net.UDPAddr) (*socket, error) {
	c, err := net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	// Best effort: the limits of the machine are the user's.
	_ = c.SetReadBuffer(socketBuffer)
	_ = c.SetWriteBuffer(socketBuffer)
	if raw, err := c.SyscallConn(); err == nil {
		forceBuffers(raw)
	}
	return &socket{UDPConn: c}, nil
}

// SetReadBuffer has been done as well as it can be.
func (s *socket) SetReadBuffer(int) error { s.asked.Or(1); return nil }

// SetWriteBuffer has been done as well as it can be.
func (s *socket) SetWriteBuffer(int) error { s.asked.Or(2); return nil }

// SyscallConn returns the raw socket once both buffers were asked for.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if s.asked.Load() != 3 {
		return nil, errNotYet
	}
	return s.UDPConn.SyscallConn()
}

// family returns the UDP network of an address.
func family(addr *net.UDPAddr) string {
	if addr.IP.To4() != nil {
		return "udp4"
	}
	return "udp6"
}

func resolve(addr string) (*net.UDPAddr, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	return a, nil
}
