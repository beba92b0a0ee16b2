package ledger

// This file holds identities: hotkeys, who owns them and what they take.

import (
	"crypto/ed25519"
	"fmt"

	"lode/protocol"
)

// Identity is a hotkey that a coldkey owns.
type Identity struct {
	_      struct{} `cbor:",toarray"`
	Owner  Coldkey
	Take   uint16 // share of what it earns for others' stake
	Raised uint64 // height of the last raise of a take
}

// Identify makes a hotkey the signer's, for a fee that is burned. The hotkey signs
// too, so that nobody can be forestalled.
type Identify struct {
	_     struct{} `cbor:",toarray"`
	Hot   Hotkey
	Proof protocol.Signature // of [IdentityProof]
}

// IdentityProof returns the digest that a hotkey signs to belong to a coldkey.
func IdentityProof(network protocol.Digest, owner Coldkey) protocol.Digest {
	return protocol.Hash("identity", network[:], owner[:])
}

// Kind implements [Body].
func (Identify) Kind() Kind { return 2 }

func (b Identify) apply(m *Machine, signer protocol.NodeID) error {
	k := identities.key(b.Hot[:])
	d := IdentityProof(m.net.ID, Coldkey(signer))
	switch {
	case m.store.has(k):
		return fmt.Errorf("ledger: hotkey %s: %w", b.Hot.Short(), ErrDuplicate)
	case !ed25519.Verify(b.Hot[:], d[:], b.Proof[:]):
		return fmt.Errorf("ledger: proof of hotkey %s: %w", b.Hot.Short(), ErrSignature)
	}
	if fee := Amount(m.net.Params.IdentityFee); fee > 0 {
		if err := m.debit(Coldkey(signer), fee); err != nil {
			return fmt.Errorf("ledger: fee of an identity: %w", err)
		}
		m.burn(fee)
	}
	save(&m.store, k, Identity{Owner: Coldkey(signer), Take: uint16(m.net.Params.MaxTake), Raised: m.net.Height})
	m.tell(Event{What: "identity", Hot: b.Hot, Cold: Coldkey(signer)})
	return nil
}

// SetTake sets what a hotkey of the signer's keeps of dividends for others' stake:
// lower at any time, higher not too often.
type SetTake struct {
	_    struct{} `cbor:",toarray"`
	Hot  Hotkey
	Take uint16
}

// Kind implements [Body].
func (SetTake) Kind() Kind { return 3 }

func (b SetTake) apply(m *Machine, signer protocol.NodeID) error {
	id, err := m.owned(b.Hot, signer)
	switch {
	case err != nil:
		return err
	case uint64(b.Take) > m.net.Params.MaxTake:
		return fmt.Errorf("ledger: take %d, at most %d is allowed: %w", b.Take, m.net.Params.MaxTake, ErrRange)
	case b.Take == id.Take:
		return fmt.Errorf("ledger: take of %s is that already: %w", b.Hot.Short(), ErrDuplicate)
	case b.Take > id.Take && m.net.Height-id.Raised < m.net.Params.TakeRate:
		return fmt.Errorf("ledger: take of %s was raised at %d: %w", b.Hot.Short(), id.Raised, ErrEarly)
	case b.Take > id.Take:
		id.Raised = m.net.Height
	}
	id.Take = b.Take
	save(&m.store, identities.key(b.Hot[:]), id)
	m.tell(Event{What: "take", Hot: b.Hot, Number: uint64(b.Take)})
	return nil
}

// owned returns an identity that must be the signer's.
func (m *Machine) owned(h Hotkey, signer protocol.NodeID) (Identity, error) {
	id, err := m.identity(h)
	if err == nil && id.Owner != Coldkey(signer) {
		err = fmt.Errorf("ledger: hotkey %s: %w", h.Short(), ErrOwner)
	}
	return id, err
}

func (m *Machine) identity(h Hotkey) (Identity, error) {
	id, ok := load[Identity](&m.store, identities.key(h[:]))
	if !ok {
		return id, fmt.Errorf("ledger: hotkey %s: %w", h.Short(), ErrUnknown)
	}
	return id, nil
}
