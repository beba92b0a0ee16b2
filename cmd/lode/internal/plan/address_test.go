package plan

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"lode/protocol"
)

func TestAdvertise(t *testing.T) {
	for _, c := range []struct {
		listen string
		own    []string
		want   string
	}{
		{"10.1.2.3:4242", []string{"192.168.0.9"}, "10.1.2.3:4242"},
		{"127.0.0.1:1", []string{"192.168.0.9"}, "127.0.0.1:1"},
		{"[::1]:1", nil, "[::1]:1"},
		{"[::ffff:10.1.2.3]:7", nil, "10.1.2.3:7"},
		{"0.0.0.0:4242", []string{"192.168.0.9", "10.0.0.1"}, "192.168.0.9:4242"},
		{"0.0.0.0:4242", nil, "127.0.0.1:4242"},
		{"0.0.0.0:4242", []string{"2001:db8::1"}, "127.0.0.1:4242"}, // nobody listens there
		{"[::]:4242", []string{"127.0.0.1", "::1", "fe80::1%eth0", "169.254.1.1", "2001:db8::1", "192.168.0.9"}, "192.168.0.9:4242"},
		{"[::]:4242", []string{"fe80::1", "2001:db8::1", "2001:db8::2"}, "[2001:db8::1]:4242"},
		{"[::]:4242", []string{"fe80::1%eth0", "169.254.1.1"}, "127.0.0.1:4242"},
	} {
		var own []netip.Addr
		for _, a := range c.own {
			own = append(own, netip.MustParseAddr(a))
		}
		got := advertise(netip.MustParseAddrPort(c.listen), own)
		if got != c.want {
			t.Errorf("%s with %v: got %s, want %s", c.listen, c.own, got, c.want)
		}
		if _, err := JoinLink(protocol.NodeID{1}, got, protocol.RunID{2}, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestAdvertiseAddrOfThisMachine(t *testing.T) {
	for _, ip := range []net.IP{net.IPv4zero, net.IPv6unspecified, nil} {
		got := AdvertiseAddr(&net.UDPAddr{IP: ip, Port: 4242})
		at, err := netip.ParseAddrPort(got)
		if ip != nil && (err != nil || at.Addr().IsUnspecified() || at.Port() != 4242) {
			t.Errorf("%v: got %s", ip, got)
		}
	}
	if got := AdvertiseAddr(&net.UnixAddr{Name: "/run/x"}); got != "/run/x" {
		t.Errorf("no IP address: got %s", got)
	}
}

func TestJoinLink(t *testing.T) {
	invite := protocol.InviteSeed{5}
	l, err := JoinLink(protocol.NodeID{1}, "example.org:4242", protocol.RunID{2}, &invite)
	if err != nil {
		t.Fatal(err)
	}
	back, err := protocol.ParseLink(l.Format())
	if err != nil || back.Addr != "example.org:4242" || *back.Invite != invite {
		t.Errorf("got %v, %v", back, err)
	}
	for _, addr := range []string{"", "host", "host:", ":1", "host:0", "host:99999", "::1:7", "a b:1", "host:1/x", "host:http", "u@host:1"} {
		if _, err := JoinLink(protocol.NodeID{1}, addr, protocol.RunID{2}, nil); !errors.Is(err, protocol.ErrLink) {
			t.Errorf("%q: got %v", addr, err)
		}
	}
}
