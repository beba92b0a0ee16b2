package protocol

// This file holds the envelope in which members speak, and its signature.

import (
	"crypto/ed25519"
	"fmt"
)

// Signature is an Ed25519 signature.
type Signature [64]byte

// Kind numbers the kinds of messages and of record events. The numbers never
// change.
type Kind uint8

// Kinds of messages, sent by members.
const (
	KindJoin          Kind = 1
	KindCommit        Kind = 2
	KindListSignature Kind = 3
	KindReveal        Kind = 4
	KindAttestation   Kind = 5
	KindSheetCommit   Kind = 6
	KindSheetReveal   Kind = 7
	KindProposal      Kind = 8
	KindCoSign        Kind = 9
)

// Body is what a message says: one of [Join], [Commit], [ListSignature],
// [Reveal], [Attestation], [SheetCommit], [SheetReveal], [Proposal] and
// [CoSign].
type Body interface{ Kind() Kind }

// Message is a body bound to version, run, round and sender by the sender's
// signature. Join uses round 0.
type Message struct {
	_       struct{} `cbor:",toarray"`
	Version uint16
	Type    Kind
	Run     RunID
	Round   Round
	Node    NodeID
	Body    []byte // canonical encoding of the body
	Sig     Signature
}

// Sign returns body as a message of key's owner.
func Sign(key ed25519.PrivateKey, run RunID, round Round, body Body) Message {
	m := Message{Version: Version, Type: body.Kind(), Run: run, Round: round, Body: Encode(body)}
	copy(m.Node[:], key.Public().(ed25519.PublicKey))
	d := m.signed()
	copy(m.Sig[:], ed25519.Sign(key, d[:]))
	return m
}

// signed returns the digest that is signed.
func (m *Message) signed() Digest {
	m2 := *m
	m2.Sig = Signature{}
	return Hash("message", Encode(m2))
}

// Digest names the message, signature included.
func (m *Message) Digest() Digest { return Hash("message digest", Encode(*m)) }

// Open checks version, run and signature and returns the decoded body. The
// round is checked by who knows which round it is.
func (m *Message) Open(run RunID) (Body, error) {
	if m.Version != Version {
		return nil, Refuse(WrongVersion, "message says version %d, this is version %d", m.Version, Version)
	}
	if m.Run != run {
		return nil, Refuse(WrongRun, "message is for run %s, this is run %s", m.Run.Short(), run.Short())
	}
	d := m.signed()
	if !ed25519.Verify(m.Node[:], d[:], m.Sig[:]) {
		return nil, Refuse(BadSignature, "message of %s", m.Node.Short())
	}
	body, err := DecodeBody(m.Type, m.Body)
	if err != nil {
		return nil, Refuse(Malformed, "%v", err)
	}
	return body, nil
}

// DecodeBody reads the canonical encoding of a body of the given kind.
func DecodeBody(kind Kind, b []byte) (Body, error) {
	switch kind {
	case KindJoin:
		return decodeAs[Join](b)
	case KindCommit:
		return decodeAs[Commit](b)
	case KindListSignature:
		return decodeAs[ListSignature](b)
	case KindReveal:
		return decodeAs[Reveal](b)
	case KindAttestation:
		return decodeAs[Attestation](b)
	case KindSheetCommit:
		return decodeAs[SheetCommit](b)
	case KindSheetReveal:
		return decodeAs[SheetReveal](b)
	case KindProposal:
		return decodeAs[Proposal](b)
	case KindCoSign:
		return decodeAs[CoSign](b)
	}
	return nil, fmt.Errorf("%w: no message kind %d", ErrMalformed, kind)
}

func decodeAs[T Body](b []byte) (Body, error) {
	var v T
	err := Decode(b, &v)
	return v, err
}
