package protocol

// This file holds the join link: lode://KEY@host:port/RUN[?invite=SEED].

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Link is all a newcomer needs to join a run.
type Link struct {
	Coordinator NodeID
	Addr        string // host:port
	Run         RunID
	// Invite is the seed of the run's invitation key, nil if none is given.
	// Whoever holds it may join as an invited member.
	Invite *InviteSeed
}

// InviteSeed is a secret: the seed of an Ed25519 invitation key.
type InviteSeed [32]byte

// Format hides the seed from every verb of package fmt.
func (InviteSeed) Format(f fmt.State, _ rune) { io.WriteString(f, "secret") }

// Key returns the invitation key.
func (s InviteSeed) Key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s[:]) }

// Invite returns the invitation of node: the invitation key's signature over its
// id.
func (s InviteSeed) Invite(run RunID, node NodeID) (sig Signature) {
	d := invitationDigest(run, node)
	copy(sig[:], ed25519.Sign(s.Key(), d[:]))
	return sig
}

// Invited reports whether sig is an invitation of node by the holder of key.
func Invited(key NodeID, run RunID, node NodeID, sig Signature) bool {
	d := invitationDigest(run, node)
	return ed25519.Verify(key[:], d[:], sig[:])
}

func invitationDigest(run RunID, node NodeID) Digest { return Hash("invitation", run[:], node[:]) }

// Format returns the link as text, the invitation included.
func (l Link) Format() string {
	s := fmt.Sprintf("lode://%s@%s/%s", l.Coordinator, l.Addr, l.Run)
	if l.Invite != nil {
		s += "?invite=" + text(*l.Invite)
	}
	return s
}

// ParseLink reads what [Link.Format] writes.
func ParseLink(s string) (Link, error) {
	fail := func(why string) (Link, error) {
		return Link{}, fmt.Errorf("%w: %s (a link looks like lode://KEY@host:port/RUN)", ErrLink, why)
	}
	if len(s) > 1024 {
		return fail("too long")
	}
	u, err := url.Parse(s)
	if err != nil {
		return fail("not a URL")
	}
	if u.Scheme != "lode" {
		return fail(fmt.Sprintf("%q does not begin with lode://", shorten(s)))
	}
	if u.User == nil || u.Hostname() == "" || u.Port() == "" {
		return fail("key, host or port is missing")
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 || u.Port()[0] == '0' {
		return fail("the port is not a number from 1 to 65535")
	}
	if strings.Contains(u.Hostname(), ":") != strings.HasPrefix(u.Host, "[") {
		return fail("the host is no name; an IPv6 address stands in brackets")
	}
	l := Link{Addr: u.Host}
	if l.Coordinator, err = ParseNodeID(u.User.Username()); err != nil {
		return fail(err.Error())
	}
	if len(u.Path) < 2 {
		return fail("the run id is missing")
	}
	if l.Run, err = ParseRunID(u.Path[1:]); err != nil {
		return fail(err.Error())
	}
	if inv := u.Query().Get("invite"); inv != "" {
		b, err := parseText("invitation", inv)
		if err != nil {
			return fail("the invitation is damaged")
		}
		l.Invite = (*InviteSeed)(&b)
	}
	if l.Format() != s {
		return fail("it has parts that no link has")
	}
	return l, nil
}
