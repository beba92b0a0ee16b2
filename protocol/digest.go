package protocol

// This file holds digests and the small values that name things.

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Version is the protocol version. It stands in the ALPN name, in every signed
// message, in the manifest and in the record.
const Version = 1

// ALPN is the application protocol name of the QUIC handshake.
const ALPN = "lode/1"

// Digest is a SHA-256 digest.
type Digest [32]byte

// Hash returns the digest of parts under a domain. Each part is preceded by its
// length, so no two different lists of parts share an input.
func Hash(domain string, parts ...[]byte) Digest {
	h := sha256.New()
	var n [8]byte
	write := func(b []byte) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	write([]byte("lode/1 " + domain))
	for _, p := range parts {
		write(p)
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

// Sum returns the plain SHA-256 digest of b: the name of a payload.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// RunID names a run: the digest of its manifest.
type RunID Digest

// NodeID names a node: its Ed25519 public key (the hotkey).
type NodeID [32]byte

// Round counts the rounds of a run from 0.
type Round uint64

// Instant is a point in time: nanoseconds since the Unix epoch.
type Instant int64

// Span is a length of time in nanoseconds.
type Span int64

// Spans for people to multiply with.
const (
	Millisecond Span = 1e6
	Second      Span = 1e9
)

// Add returns the instant d after t.
func (t Instant) Add(d Span) Instant { return t + Instant(d) }

// Sub returns the span from u to t.
func (t Instant) Sub(u Instant) Span { return Span(t - u) }

// Seconds returns the span in seconds, for people and logs.
func (d Span) Seconds() float64 { return float64(d) / float64(Second) }

// NanoNats is a loss or a loss difference in units of 1e-9 nats.
type NanoNats int64

// Nats returns the value in nats, for people and logs.
func (n NanoNats) Nats() float64 { return float64(n) / 1e9 }

// MaxNanoNats bounds every loss and score on the record (a million nats), so
// that sums over members and rounds cannot overflow an int64.
const MaxNanoNats NanoNats = 1e15

// ToNanoNats rounds x nats to nano-nats, half to even, clamped to
// ±[MaxNanoNats]; NaN becomes 0 and ok false.
func ToNanoNats(x float64) (n NanoNats, ok bool) {
	switch {
	case x != x:
		return 0, false
	case x > 1e6:
		return MaxNanoNats, true
	case x < -1e6:
		return -MaxNanoNats, true
	}
	return NanoNats(roundEven(float64(x * 1e9))), true
}

// roundEven rounds |x| < 2^62 to the nearest integer, ties to even.
func roundEven(x float64) int64 {
	n := int64(x)
	frac := x - float64(n)
	switch {
	case frac > 0.5 || (frac == 0.5 && n&1 != 0):
		n++
	case frac < -0.5 || (frac == -0.5 && n&1 != 0):
		n--
	}
	return n
}

var textEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// textLen is the length of the text form of 32 bytes.
const textLen = 52

func text(b [32]byte) string { return textEncoding.EncodeToString(b[:]) }

func parseText(what, s string) (b [32]byte, err error) {
	if len(s) != textLen {
		return b, fmt.Errorf("%s %q has %d characters, want %d", what, shorten(s), len(s), textLen)
	}
	raw, err := textEncoding.DecodeString(s)
	if err != nil || textEncoding.EncodeToString(raw) != s {
		return b, fmt.Errorf("%s %q is not lower-case base32 of 32 bytes", what, shorten(s))
	}
	return [32]byte(raw), nil
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// String returns the digest as 52 characters of lower-case base32.
func (d Digest) String() string { return text(d) }

// Short returns the first 8 characters of the digest, for people.
func (d Digest) Short() string { return text(d)[:8] }

// String returns the id as 52 characters of lower-case base32.
func (r RunID) String() string { return text(r) }

// Short returns the first 8 characters of the id, for people.
func (r RunID) Short() string { return text(r)[:8] }

// String returns the id as 52 characters of lower-case base32.
func (n NodeID) String() string { return text(n) }

// Short returns the first 8 characters of the id, for people.
func (n NodeID) Short() string { return text(n)[:8] }

// MarshalText implements [encoding.TextMarshaler].
func (n NodeID) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *NodeID) UnmarshalText(b []byte) (err error) { *n, err = ParseNodeID(string(b)); return }

// MarshalText implements [encoding.TextMarshaler].
func (r RunID) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText implements [encoding.TextMarshaler].
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Digest) UnmarshalText(b []byte) (err error) {
	*d, err = parseText("digest", string(b))
	return
}

// ParseNodeID reads what [NodeID.String] writes.
func ParseNodeID(s string) (NodeID, error) { b, err := parseText("node id", s); return b, err }

// ParseRunID reads what [RunID.String] writes.
func ParseRunID(s string) (RunID, error) { b, err := parseText("run id", s); return b, err }

// Role says what a member of a run does. The numbers never change.
type Role uint8

// Roles of members.
const (
	Worker    Role = 1 // trains and sends updates
	Validator Role = 2 // scores updates, computes and signs merges
	Observer  Role = 3 // follows the record and fetches payloads; never on a roster
)

var roleNames = map[Role]string{Worker: "worker", Validator: "validator", Observer: "observer"}

// String returns the role's name.
func (r Role) String() string {
	if s, ok := roleNames[r]; ok {
		return s
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// ErrLink is wrapped by every error of [ParseLink].
var ErrLink = errors.New("not a join link")

// isName reports whether s is fit to be printed as a name: 1 to max characters
// of letters, digits, space, dot, dash and underscore.
func isName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" .-_", r))
	})
}

// IsNodeName reports whether s may be a member's name.
func IsNodeName(s string) bool { return isName(s, MaxNodeName) }
