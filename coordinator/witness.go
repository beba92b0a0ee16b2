package coordinator

// This file holds the witness: who contradicts what it signed before is taken to the
// ledger.

import (
	"bytes"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// witness remembers what validators signed last of what the record took. The clerk owns
// it.
type witness map[testimony]protocol.Message

// testimony is what a validator signs once in a round.
type testimony struct {
	node protocol.NodeID
	kind protocol.Kind
}

// hear notes a message that the record took, or returns the evidence if it was refused
// and contradicts one that was taken; nil if there is none.
func (w witness) hear(m protocol.Message, err error) ledger.Body {
	switch m.Type {
	case protocol.KindListSignature, protocol.KindSheetCommit, protocol.KindProposal:
	default:
		return nil // of co-signatures the receipts would have to be known
	}
	first, ok := w[testimony{m.Node, m.Type}]
	switch {
	case err == nil:
		w[testimony{m.Node, m.Type}] = m
		return nil
	case !ok || first.Round != m.Round || bytes.Equal(first.Body, m.Body) || !authentic(err):
		return nil
	}
	return ledger.Equivocation{First: first, Second: m, Receipts: receiptsOf(first, m)}
}

// authentic reports whether a refusal was of what a message says, and so not of its
// signature.
func authentic(err error) bool {
	switch protocol.ReasonOf(err) {
	case protocol.Malformed, protocol.WrongVersion, protocol.WrongRun, protocol.BadSignature, protocol.Internal, protocol.OK:
		return false
	}
	return true
}

// receiptsOf returns the receipts of proposals, none of other messages.
func receiptsOf(all ...protocol.Message) (out []protocol.Receipt) {
	for _, m := range all {
		var p protocol.Proposal
		if m.Type != protocol.KindProposal || protocol.Decode(m.Body, &p) != nil {
			return nil
		}
		out = append(out, p.Receipt)
	}
	return out
}

// accuse puts evidence on the record, signed by the coordinator. The ledger decides
// whether it is one: most of what is refused is a late or repeated message.
func (c *Coordinator) accuse(m *round.Machine, evidence ledger.Body) protocol.Event {
	me := ledger.Coldkey(m.Manifest().Coordinator)
	a, _ := m.Ledger().Account(me)
	return protocol.Transaction{Tx: protocol.Encode(ledger.Sign(c.cfg.Key, m.Ledger().Network().ID, a.Nonce, 0, evidence))}
}
