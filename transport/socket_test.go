package transport

// This file tests the socket under QUIC.

import (
	"net"
	"testing"
)

// The raw socket is withheld until both buffers were asked for, whatever the
// order: that is what keeps quic-go from printing to the terminal.
func TestSocketWithholds(t *testing.T) {
	for _, receiveFirst := range []bool{true, false} {
		s, err := openSocket("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ask := []func(int) error{s.SetReadBuffer, s.SetWriteBuffer}
		if !receiveFirst {
			ask[0], ask[1] = ask[1], ask[0]
		}
		for _, f := range ask {
			if _, err := s.SyscallConn(); err == nil {
				t.Fatal("the raw socket was handed out too early")
			}
			if err := f(1 << 30); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.SyscallConn(); err != nil {
			t.Fatal(err)
		}
	}
}

// Batched sending needs the raw socket: it must not be lost with the warning.
func TestSegmentationOffload(t *testing.T) {
	p := start(t, local, newDesk(), Options{})
	ours := p.dial(t, 1, Options{}).conn.ConnectionState().GSO
	bare := p.raw(t, rawTLS(t, 2, "lode/1")).ConnectionState().GSO
	if ours != bare {
		t.Fatalf("segmentation offload is %v, with a bare socket %v", ours, bare)
	}
}
