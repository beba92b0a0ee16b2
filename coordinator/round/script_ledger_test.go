package round_test

// This file makes the transactions of scripts: what anybody asks of the ledger.

import (
	"strconv"

	"lode/coordinator/round"
	"lode/protocol"
	"lode/yuma/ledger"
)

// transaction signs what somebody asks with the number that is his next.
func (s *stage) transaction(who string, asked ledger.Body) protocol.Event {
	l := s.p.machine.Ledger()
	a, _ := l.Account(ledger.Coldkey(s.p.id(who)))
	return protocol.Transaction{Tx: protocol.Encode(ledger.Sign(keyOf(who), l.Network().ID, a.Nonce, 0, asked))}
}

// asked returns what a line asks of the ledger, nil if it says something else.
func (s *stage) asked(verb, who string, opt options) ledger.Body {
	amount := ledger.Amount(s.number(opt, "amount", 1))
	switch verb {
	case "pay":
		return ledger.Transfer{To: ledger.Coldkey(s.p.id(opt["to"])), Amount: amount}
	case "stake":
		return ledger.Stake{Run: round.Run, Hot: s.p.id(opt["on"]), Amount: amount}
	case "unstake":
		return ledger.Unstake{Run: round.Run, Hot: s.p.id(opt["on"]), Units: amount}
	case "register":
		return ledger.Register{Run: round.Run, Hot: s.p.id(who)}
	case "weigh":
		w, _ := s.p.machine.Weights(s.p.id(who))
		w.Run = round.Run
		for uid, v := range opt {
			n, _ := strconv.ParseUint(uid, 10, 16)
			x, _ := strconv.ParseUint(v, 10, 16)
			w.UIDs, w.Values = append(w.UIDs, uint16(n)), append(w.Values, uint16(x))
		}
		return w
	case "accuse":
		return s.evidence(opt["of"])
	}
	return nil
}

// evidence is of a validator who signed two receipts of the round that is sealed now.
func (s *stage) evidence(of string) ledger.Body {
	one, other := s.p.receiptOf(), s.p.receiptOf()
	other.Model[0] ^= 1
	sign := func(r protocol.Receipt) protocol.Message { return s.p.say(of, protocol.CoSign{Receipt: r.Digest()}) }
	return ledger.Equivocation{First: sign(one), Second: sign(other), Receipts: []protocol.Receipt{one, other}}
}
