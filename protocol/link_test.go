package protocol

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func testLink() Link {
	seed := InviteSeed(fill[Digest](3))
	return Link{Coordinator: fill[NodeID](1), Addr: "example.org:4433", Run: fill[RunID](2), Invite: &seed}
}

func TestLinkRoundTrip(t *testing.T) {
	for _, addr := range []string{"example.org:4433", "127.0.0.1:1", "[::1]:65535", "[fe80::1%25eth0]:9", "localhost:443", "UPPER.example:443"} {
		for _, invited := range []bool{false, true} {
			l := testLink()
			l.Addr = addr
			if !invited {
				l.Invite = nil
			}
			back, err := ParseLink(l.Format())
			if strings.Contains(addr, "%") { // zones name an interface of one machine
				if err == nil {
					t.Errorf("%s was accepted", addr)
				}
				continue
			}
			if err != nil || back.Addr != addr || back.Run != l.Run || back.Coordinator != l.Coordinator || (back.Invite != nil) != invited {
				t.Errorf("%s: got %+v and %v", addr, back, err)
				continue
			}
			if invited && *back.Invite != *l.Invite {
				t.Errorf("%s: another invitation came back", addr)
			}
		}
	}
}

func TestParseLinkRefuses(t *testing.T) {
	key, run, seed := fill[NodeID](1).String(), fill[RunID](2).String(), text(fill[[32]byte](3))
	good := "lode://" + key + "@host:443/" + run
	if _, err := ParseLink(good); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"empty":              "",
		"another scheme":     strings.Replace(good, "lode", "https", 1),
		"scheme in capitals": strings.Replace(good, "lode", "LODE", 1),
		"no scheme":          strings.TrimPrefix(good, "lode://"),
		"no key":             "lode://host:443/" + run,
		"short key":          "lode://" + key[1:] + "@host:443/" + run,
		"long key":           "lode://" + key + "a@host:443/" + run,
		"key in capitals":    "lode://" + strings.ToUpper(key) + "@host:443/" + run,
		"key not canonical":  "lode://" + key[:51] + "b@host:443/" + run,
		"password":           "lode://" + key + ":x@host:443/" + run,
		"escaped key":        "lode://%61" + key[1:] + "@host:443/" + run,
		"no host":            "lode://" + key + "@:443/" + run,
		"no port":            "lode://" + key + "@host/" + run,
		"empty port":         "lode://" + key + "@host:/" + run,
		"port 0":             "lode://" + key + "@host:0/" + run,
		"port too large":     "lode://" + key + "@host:65536/" + run,
		"port not a number":  "lode://" + key + "@host:quic/" + run,
		"port with a zero":   "lode://" + key + "@host:0443/" + run,
		"brackets, no IPv6":  "lode://" + key + "@[host]:443/" + run,
		"two hosts":          "lode://" + key + "@a@host:443/" + run,
		"bare IPv6":          "lode://" + key + "@::1:443/" + run,
		"space in host":      "lode://" + key + "@ho st:443/" + run,
		"escaped host":       "lode://" + key + "@h%6Fst:443/" + run,
		"control character":  "lode://" + key + "@host\a:443/" + run,
		"no run":             "lode://" + key + "@host:443",
		"empty run":          "lode://" + key + "@host:443/",
		"short run":          good[:len(good)-1],
		"deeper path":        good + "/x",
		"trailing slash":     good + "/",
		"trailing space":     good + " ",
		"line feed":          good + "\n",
		"line feed in run":   good[:len(good)-1] + "\n",
		"fragment":           good + "#x",
		"empty fragment":     good + "#",
		"empty query":        good + "?",
		"unknown query":      good + "?x=1",
		"empty invitation":   good + "?invite=",
		"short invitation":   good + "?invite=" + seed[1:],
		"two invitations":    good + "?invite=" + seed + "&invite=" + seed,
		"more than invited":  good + "?invite=" + seed + "&x=1",
		"too long":           good + "?" + strings.Repeat("x", 1024),
	} {
		l, err := ParseLink(s)
		if !errors.Is(err, ErrLink) || l != (Link{}) {
			t.Errorf("%s: got %+v and %v", name, l, err)
		}
		if err != nil && strings.Contains(err.Error(), seed[1:]) {
			t.Errorf("%s: the error tells the invitation: %v", name, err)
		}
	}
}

func TestInvitation(t *testing.T) {
	seed := InviteSeed(fill[Digest](3))
	var holder NodeID
	copy(holder[:], seed.Key().Public().(pub))
	run, node := fill[RunID](1), fill[NodeID](2)
	sig := seed.Invite(run, node)
	if !Invited(holder, run, node, sig) {
		t.Error("an invitation does not verify")
	}
	if Invited(holder, run, fill[NodeID](9), sig) || Invited(holder, fill[RunID](9), node, sig) ||
		Invited(node, run, node, sig) || Invited(holder, run, node, Signature{}) || Invited(NodeID{}, run, node, Signature{}) {
		t.Error("an invitation verifies for somebody else")
	}
	for _, format := range []string{"%v", "%s", "%+v", "%#v", "%x", "%d"} {
		if s := fmt.Sprintf(format, seed); s != "secret" {
			t.Errorf("%s prints the seed as %q", format, s)
		}
	}
}

func TestIDsAsText(t *testing.T) {
	n := fill[NodeID](200)
	back, err := ParseNodeID(n.String())
	if err != nil || back != n || len(n.String()) != textLen || n.Short() != n.String()[:8] {
		t.Errorf("got %v and %v", back, err)
	}
	b, _ := n.MarshalText()
	var m NodeID
	if err := m.UnmarshalText(b); err != nil || m != n {
		t.Errorf("got %v and %v", m, err)
	}
	r := fill[RunID](5)
	if back, err := ParseRunID(r.String()); err != nil || back != r {
		t.Errorf("got %v and %v", back, err)
	}
	for name, s := range map[string]string{
		"empty": "", "short": n.String()[1:], "capitals": strings.ToUpper(n.String()), "padding": n.String()[:51] + "=",
		"line feed": n.String()[:51] + "\n", "digit 1": "1" + n.String()[1:], "loose bits": n.String()[:51] + "b",
		"very long": strings.Repeat("a", 1<<20),
	} {
		if _, err := ParseNodeID(s); err == nil || len(err.Error()) > 300 {
			t.Errorf("%s: got %.400v", name, err)
		}
	}
}
