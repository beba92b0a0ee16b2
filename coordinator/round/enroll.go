package round

// This file holds how a member gets its place on the ledger.

import (
	"bytes"

	"lode/protocol"
	"lode/yuma/ledger"
)

// enroll gives a member its place on the ledger by the transactions it joins with:
// that it belongs to somebody, unless the ledger knows, that it wants a place, and of an
// invited validator the stake that it is invited with.
func (m *Machine) enroll(n protocol.NodeID, enter [][]byte, stake uint64) error {
	if _, placed := m.ledger.UID(Run, n); placed {
		if len(enter) > 0 {
			return protocol.Refuse(protocol.Duplicate, "%s has a place", n.Short())
		}
		return nil
	}
	if len(enter) > 3 {
		return protocol.Refuse(protocol.Malformed, "joining takes at most three transactions, not %d", len(enter))
	}
	want := []ledger.Body{ledger.Register{Run: Run, Hot: n}}
	if _, known := m.ledger.Identity(n); !known {
		want = append([]ledger.Body{ledger.Identify{Hot: n}}, want...)
	}
	if stake > 0 {
		want = append(want, ledger.Stake{Run: Run, Hot: n, Amount: ledger.Amount(stake)})
	}
	txs, err := m.entering(enter, want)
	if err != nil {
		return err
	}
	if size := len(protocol.Encode(txs)); !m.fits(size) {
		return protocol.Refuse(protocol.Busy, "the ledger's block is full until the round ends")
	}
	last, full := m.ledger.Weakest(Run)
	if _, err := m.ledger.Apply(txs...); err != nil {
		return unpaid(err)
	}
	if i, member := m.find(last.Hot); full && member {
		m.evict(&m.members[i])
	}
	return nil
}

// entering reads the transactions that somebody joins with, which must be those wanted.
func (m *Machine) entering(enter [][]byte, want []ledger.Body) ([]ledger.Tx, error) {
	if len(enter) != len(want) {
		return nil, protocol.Refuse(protocol.NotApplied, "joins with %d transactions, not %d", len(enter), len(want))
	}
	txs := make([]ledger.Tx, len(enter))
	for i, b := range enter {
		t, body, err := read(b)
		if err != nil {
			return nil, err
		}
		if id, ok := body.(ledger.Identify); ok {
			body = ledger.Identify{Hot: id.Hot} // whose proof the ledger checks
		}
		_, stakes := body.(ledger.Stake)
		if !bytes.Equal(protocol.Encode(body), protocol.Encode(want[i])) || t.Type != want[i].Kind() || stakes != (t.Signer == m.man.Members.Invitation) {
			return nil, protocol.Refuse(protocol.NotApplied, "joins with another transaction than its %d. must be", i+1)
		}
		txs[i] = t
	}
	return txs, nil
}
