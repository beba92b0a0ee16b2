package ledger

// This file holds the transaction: what somebody signed.

import (
	"crypto/ed25519"
	"fmt"

	"lode/protocol"
)

// Version is the version of transactions and blocks.
const Version = 1

// MaxTxLen is the longest encoded transaction, in bytes.
const MaxTxLen = 64 << 10

// Kind numbers the kinds of transactions. The numbers never change.
type Kind uint8

// Body is what a transaction asks for. It is one of the types whose Kind method is
// of this package.
type Body interface {
	Kind() Kind
	// apply does what is asked, or returns why not; the caller undoes the rest.
	apply(m *Machine, signer protocol.NodeID) error
}

// Tx is a body bound to network, signer and number by the signer's signature.
type Tx struct {
	_       struct{} `cbor:",toarray"`
	Version uint16
	Network protocol.Digest // see [Genesis.Network]
	Signer  protocol.NodeID // a coldkey or, where weights are set, a hotkey
	Nonce   uint64          // the number of transactions that Signer made before
	Until   uint64          // last height at which it may be applied; 0 is any
	Type    Kind
	Body    []byte // canonical encoding of the body
	Sig     protocol.Signature
}

// Sign returns body as a transaction of key's owner.
func Sign(key ed25519.PrivateKey, network protocol.Digest, nonce, until uint64, body Body) Tx {
	t := Tx{Version: Version, Network: network, Nonce: nonce, Until: until, Type: body.Kind(), Body: protocol.Encode(body)}
	copy(t.Signer[:], key.Public().(ed25519.PublicKey))
	d := t.signed()
	copy(t.Sig[:], ed25519.Sign(key, d[:]))
	return t
}

// signed returns the digest that is signed.
func (t Tx) signed() protocol.Digest {
	t.Sig = protocol.Signature{}
	return protocol.Hash("transaction", protocol.Encode(t))
}

// Digest names the transaction, signature included.
func (t Tx) Digest() protocol.Digest {
	return protocol.Hash("transaction digest", protocol.Encode(t))
}

// DecodeTx reads the canonical encoding of a transaction. It does not look at the
// body.
func DecodeTx(b []byte) (Tx, error) {
	var t Tx
	if len(b) > MaxTxLen {
		return t, fmt.Errorf("ledger: a transaction of %d bytes: %w", len(b), ErrMalformed)
	}
	if err := protocol.Decode(b, &t); err != nil {
		return t, fmt.Errorf("ledger: transaction: %w: %w", ErrMalformed, err)
	}
	return t, nil
}

// Asks returns what the transaction asks for. It does not look at the signature.
func (t Tx) Asks() (Body, error) { return t.body() }

// open checks what can be checked without a state and returns the body.
func (t Tx) open(network protocol.Digest) (Body, error) {
	d := t.signed()
	switch {
	case t.Version != Version:
		return nil, fmt.Errorf("ledger: transaction of version %d, this is %d: %w", t.Version, Version, ErrMalformed)
	case len(t.Body) > MaxTxLen:
		return nil, fmt.Errorf("ledger: a body of %d bytes: %w", len(t.Body), ErrMalformed)
	case t.Network != network:
		return nil, fmt.Errorf("ledger: transaction for network %s, this is %s: %w", t.Network.Short(), network.Short(), ErrNetwork)
	case !ed25519.Verify(t.Signer[:], d[:], t.Sig[:]):
		return nil, fmt.Errorf("ledger: transaction of %s: %w", t.Signer.Short(), ErrSignature)
	}
	return t.body()
}

func (t Tx) body() (Body, error) {
	if int(t.Type) >= len(bodies) || bodies[t.Type] == nil {
		return nil, fmt.Errorf("ledger: no transaction of kind %d: %w", t.Type, ErrMalformed)
	}
	b, err := bodies[t.Type](t.Body)
	if err != nil {
		return nil, fmt.Errorf("ledger: transaction of kind %d: %w: %w", t.Type, ErrMalformed, err)
	}
	return b, nil
}

func decodeAs[T Body](b []byte) (Body, error) {
	var v T
	err := protocol.Decode(b, &v)
	return v, err
}
