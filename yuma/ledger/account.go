package ledger

// This file holds accounts and transfers.

import (
	"fmt"

	"lode/protocol"
)

// Account is what one key owns outright.
type Account struct {
	_       struct{} `cbor:",toarray"`
	Nonce   uint64   // transactions it signed
	Balance Amount
}

// Transfer moves coin from the signer to somebody else. Neither may be left with
// less than the network's existential balance, unless the signer is left with none.
type Transfer struct {
	_      struct{} `cbor:",toarray"`
	To     Coldkey
	Amount Amount
}

// Kind implements [Body].
func (Transfer) Kind() Kind { return 1 }

func (b Transfer) apply(m *Machine, signer protocol.NodeID) error {
	if b.To == Coldkey(signer) {
		return fmt.Errorf("ledger: transfer: %w", ErrSelf)
	}
	if err := m.debit(Coldkey(signer), b.Amount); err != nil {
		return fmt.Errorf("ledger: transfer: %w", err)
	}
	if left := m.credit(b.To, b.Amount); left < Amount(m.net.Params.Existential) {
		return fmt.Errorf("ledger: transfer leaves %d to %s: %w", left, b.To, ErrDust)
	}
	m.tell(Event{What: "transfer", Cold: b.To, Amount: b.Amount})
	return nil
}

// debit takes an amount from a balance. It refuses nothing, more than there is, and
// to leave dust.
func (m *Machine) debit(c Coldkey, amount Amount) error {
	k := accounts.key(c[:])
	a, _ := load[Account](&m.store, k)
	if amount == 0 {
		return fmt.Errorf("nothing: %w", ErrDust)
	}
	if amount > a.Balance {
		return fmt.Errorf("%d of %d: %w", amount, a.Balance, ErrFunds)
	}
	a.Balance -= amount
	if a.Balance > 0 && a.Balance < Amount(m.net.Params.Existential) {
		return fmt.Errorf("%d left to %s: %w", a.Balance, c, ErrDust)
	}
	save(&m.store, k, a)
	return nil
}

// credit adds to a balance and returns what is there then. All that exists fits in
// an Amount.
func (m *Machine) credit(c Coldkey, amount Amount) Amount {
	if amount == 0 {
		return 0
	}
	k := accounts.key(c[:])
	a, _ := load[Account](&m.store, k)
	a.Balance += amount
	save(&m.store, k, a)
	return a.Balance
}
