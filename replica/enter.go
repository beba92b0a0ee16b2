package replica

// This file holds what nodes say to the ledger.

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Entry is who joins a run, and how.
type Entry struct {
	Node   ed25519.PrivateKey
	Owner  ed25519.PrivateKey   // of the account that is paid; nil: the node's own
	Invite *protocol.InviteSeed // nil: not by invitation
	Role   protocol.Role
}

// EnterTries is how often a node asks for its place, and EnterPause how long it waits in
// between. Two nodes of one owner or of one invitation who join at once number their
// transactions alike, and one of them has to ask again, once it knows of the other.
const (
	EnterTries = 64
	EnterPause = 250 * time.Millisecond
)

// WakeAfter wakes a loop after a pause, unless ctx ends before.
func WakeAfter(ctx context.Context, pause time.Duration, wake chan<- struct{}) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return
	}
	select {
	case wake <- struct{}{}:
	default: // it is awake
	}
}

// Enter returns the transactions that a node joins with: that it belongs to its owner,
// unless the ledger knows; that it wants a place; and of an invited validator the stake
// of its invitation. There are none for who has a place, as validators of genesis do.
func Enter(m *round.Machine, e Entry) ([][]byte, error) {
	owner := e.Owner
	if owner == nil {
		owner = e.Node
	}
	l, hot, cold := m.Ledger(), public(e.Node), public(owner)
	if _, placed := l.UID(round.Run, hot); placed {
		return nil, nil
	}
	s := signer{l: l, spent: map[protocol.NodeID]uint64{}}
	switch id, known := l.Identity(hot); {
	case !known:
		b := ledger.Identify{Hot: hot}
		d := ledger.IdentityProof(l.Network().ID, ledger.Coldkey(cold))
		copy(b.Proof[:], ed25519.Sign(e.Node, d[:]))
		s.sign(owner, b)
	case id.Owner != ledger.Coldkey(cold):
		return nil, fmt.Errorf("node %s belongs to the account %s, not to %s: join with its owner's wallet, or with another node key", hot.Short(), id.Owner, ledger.Coldkey(cold))
	}
	s.sign(owner, ledger.Register{Run: round.Run, Hot: hot})
	if e.Role == protocol.Validator && e.Invite != nil {
		s.sign(e.Invite.Key(), ledger.Stake{Run: round.Run, Hot: hot, Amount: ledger.Amount(m.Manifest().Members.InvitedStake)})
	}
	return s.txs, nil
}

// signer numbers and signs transactions that are to follow each other.
type signer struct {
	l     *ledger.Machine
	spent map[protocol.NodeID]uint64 // numbers used so far, by signer
	txs   [][]byte
}

func (s *signer) sign(key ed25519.PrivateKey, body ledger.Body) {
	who := public(key)
	a, _ := s.l.Account(ledger.Coldkey(who))
	t := ledger.Sign(key, s.l.Network().ID, a.Nonce+s.spent[who], 0, body)
	s.spent[who]++
	s.txs = append(s.txs, protocol.Encode(t))
}

// Weights returns the weights that a validator owes the ledger now, signed; nil if it
// owes none.
func Weights(m *round.Machine, node ed25519.PrivateKey) []byte {
	w, ok := m.Weights(public(node))
	if !ok {
		return nil
	}
	s := signer{l: m.Ledger(), spent: map[protocol.NodeID]uint64{}}
	s.sign(node, w)
	return s.txs[0]
}

func public(k ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(k.Public().(ed25519.PublicKey))
}
