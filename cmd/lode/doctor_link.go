package main

// This file holds what the doctor finds on the way to a coordinator.

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"lode/coordinator"
	"lode/protocol"
	"lode/transport"
)

const (
	linkPatience = 8 * time.Second // for each step of the way
	clocksApart  = 5 * time.Second // from where on logs are hard to compare
	numPings     = 5
)

// linkFindings goes to the coordinator that a link names as one who only looks, and asks it
// how it is. ctx or the patience ends it.
func linkFindings(ctx context.Context, address string) ([]finding, error) {
	link, err := protocol.ParseLink(address)
	if err != nil {
		return nil, usagef("%v", err)
	}
	host, port, err := net.SplitHostPort(link.Addr)
	if err != nil {
		return nil, usagef("%v", err)
	}
	wait, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(wait, host)
	if err != nil {
		return []finding{{"name", isBad, fmt.Sprintf("%v: is the link whole, and does this machine reach a name server?", err)}}, nil
	}
	all := []finding{{"name", isGood, fmt.Sprintf("%s is %s", host, addrs[0])}}
	c, took, err := greet(ctx, link)
	if err != nil {
		return append(all, finding{"coordinator", isBad, noAnswer(err, host, port)}), ctx.Err()
	}
	defer c.Close()
	all = append(all, finding{"coordinator", isGood, fmt.Sprintf("answers over UDP after %v, with packets of at least 1,200 bytes, and has the link's key and run", took.Round(time.Millisecond))})
	return append(all, askFindings(ctx, c)...), ctx.Err()
}

// greet dials with a key of its own.
func greet(ctx context.Context, link protocol.Link) (*transport.Client, time.Duration, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	began := time.Now()
	c, _, err := transport.Dial(ctx, link.Addr, link.Coordinator, key,
		transport.Hello{Version: protocol.Version, Run: link.Run, Role: protocol.Observer, Software: software()}, transport.Options{})
	return c, time.Since(began), err
}

// noAnswer says what to do where a coordinator could not be greeted.
func noAnswer(err error, host, port string) string {
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		return fmt.Sprintf("it is reached and refuses: %v", err)
	}
	return fmt.Sprintf("no answer over UDP from %s port %s: %v. Is the coordinator running, and does it listen on an address that is reached from here? "+
		"Firewalls must let UDP out to that port here, and in there (ufw allow %s/udp, the security group of a cloud); a router before the coordinator must forward it; a VPN or office network may let TCP alone through",
		host, port, err, port)
}

// askFindings measures the way there and back, and how far clocks are apart.
func askFindings(ctx context.Context, c *transport.Client) []finding {
	best, apart := time.Duration(math.MaxInt64), time.Duration(0)
	told := false
	for range numPings {
		wait, cancel := context.WithTimeout(ctx, linkPatience)
		began := time.Now()
		b, err := c.Status(wait)
		took := time.Since(began)
		cancel()
		var s coordinator.Status
		if err == nil {
			err = json.Unmarshal(b, &s)
		}
		if err != nil {
			return []finding{{"way", isBad, fmt.Sprintf("the connection came up and then broke: %v. Large packets may be lost on the way (a VPN with a small MTU), or many are", err)}}
		}
		if took < best {
			best, told = took, s.Clock > 0
			apart = time.Unix(0, int64(s.Clock*1e9)).Sub(began.Add(took / 2))
		}
	}
	all := []finding{{"way", isGood, fmt.Sprintf("%v there and back, the answer included", best.Round(10*time.Microsecond))}}
	switch {
	case !told:
		return append(all, finding{"clocks", isAbsent, "the coordinator does not say what time it has"})
	case apart.Abs() > clocksApart+best:
		return append(all, finding{"clocks", isAbsent, fmt.Sprintf("the coordinator's is %v from this one: rounds go by the coordinator's, so nothing fails, but logs do not agree; one of them should be set (timedatectl set-ntp true)", apart.Round(time.Second))})
	}
	return append(all, finding{"clocks", isGood, fmt.Sprintf("the coordinator's is %v from this one", apart.Round(time.Millisecond))})
}
