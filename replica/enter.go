package replica

// This file holds what nodes say to the ledger.

import (
	"crypto/ed25519"
	"fmt"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// Enter returns the transactions that a node joins with, signed by its owner, who is
// paid for its work; without an owner the node belongs to itself. There are none for
// who has a place, as validators of genesis do.
func Enter(m *round.Machine, node, owner ed25519.PrivateKey) ([][]byte, error) {
	if owner == nil {
		owner = node
	}
	l, hot, cold := m.Ledger(), public(node), public(owner)
	if _, placed := l.UID(round.Run, hot); placed {
		return nil, nil
	}
	network := l.Network().ID
	a, _ := l.Account(ledger.Coldkey(cold))
	var bodies []ledger.Body
	switch id, known := l.Identity(hot); {
	case !known:
		b := ledger.Identify{Hot: hot}
		d := ledger.IdentityProof(network, ledger.Coldkey(cold))
		copy(b.Proof[:], ed25519.Sign(node, d[:]))
		bodies = append(bodies, b)
	case id.Owner != ledger.Coldkey(cold):
		return nil, fmt.Errorf("node %s belongs to the account %s, not to %s: join with its owner's wallet, or with another node key", hot.Short(), id.Owner, ledger.Coldkey(cold))
	}
	bodies = append(bodies, ledger.Register{Run: round.Run, Hot: hot})
	out := make([][]byte, len(bodies))
	for i, b := range bodies {
		out[i] = protocol.Encode(ledger.Sign(owner, network, a.Nonce+uint64(i), 0, b))
	}
	return out, nil
}

// Weights returns the weights that a validator owes the ledger now, signed; nil if it
// owes none.
func Weights(m *round.Machine, node ed25519.PrivateKey) []byte {
	w, ok := m.Weights(public(node))
	if !ok {
		return nil
	}
	a, _ := m.Ledger().Account(ledger.Coldkey(public(node)))
	return protocol.Encode(ledger.Sign(node, m.Ledger().Network().ID, a.Nonce, 0, w))
}

// Sponsor returns the coordinator's transaction that stakes an invited validator.
func Sponsor(m *round.Machine, coordinator ed25519.PrivateKey, n protocol.NodeID) []byte {
	a, _ := m.Ledger().Account(ledger.Coldkey(public(coordinator)))
	b := ledger.Stake{Run: round.Run, Hot: n, Amount: ledger.Amount(m.Manifest().Members.InvitedStake)}
	return protocol.Encode(ledger.Sign(coordinator, m.Ledger().Network().ID, a.Nonce, 0, b))
}

func public(k ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(k.Public().(ed25519.PublicKey))
}
