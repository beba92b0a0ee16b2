package plan

// This file holds the way from a socket to the link that newcomers get.

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"lode/protocol"
)

// JoinLink returns the link to a run whose coordinator is reached at addr,
// host:port. Without an invitation, invite is nil.
func JoinLink(coordinator protocol.NodeID, addr string, run protocol.RunID, invite *protocol.InviteSeed) (protocol.Link, error) {
	l := protocol.Link{Coordinator: coordinator, Addr: addr, Run: run, Invite: invite}
	if _, err := protocol.ParseLink(l.Format()); err != nil {
		return protocol.Link{}, fmt.Errorf("address %q to join at: %w", addr, err)
	}
	return l, nil
}

// AdvertiseAddr returns the host:port that others reach a socket by which
// listens on that address. If it listens on all addresses, that is the machine's
// first one that is not its loopback, IPv4 before IPv6, or 127.0.0.1 if there is
// none. A machine behind a router has another address outside, which it cannot
// know.
func AdvertiseAddr(listen net.Addr) string {
	at, err := netip.ParseAddrPort(listen.String())
	if err != nil {
		return listen.String()
	}
	var own []netip.Addr
	if at.Addr().IsUnspecified() {
		own = ownAddrs()
	}
	return advertise(at, own)
}

// advertise picks from the machine's own addresses.
func advertise(at netip.AddrPort, own []netip.Addr) string {
	host := at.Addr().Unmap()
	if host.IsUnspecified() {
		host = pick(own, host.Is6())
	}
	return net.JoinHostPort(host.String(), strconv.Itoa(int(at.Port())))
}

func pick(own []netip.Addr, ipv6 bool) netip.Addr {
	best := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, a := range own {
		a = a.Unmap()
		switch {
		case !a.IsGlobalUnicast(): // loopback, or good on one link only
		case a.Is4():
			return a
		case ipv6 && best.IsLoopback():
			best = a.WithZone("")
		}
	}
	return best
}

// ownAddrs returns the addresses of the interfaces that are up, none if the
// system does not tell.
func ownAddrs() (own []netip.Addr) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				own = append(own, p.Addr())
			}
		}
	}
	return own
}
