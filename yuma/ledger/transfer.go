package ledger

// This file holds payments from one account to another.

import "fmt"

// Transfer moves a from one key's balance to another's. It refuses more than the
// balance holds and changes nothing then.
func (m *Machine) Transfer(from, to Hotkey, a Amount) error {
	held, _ := m.Account(from)
	if a > held.Balance {
		return fmt.Errorf("ledger: transfer %d of %d from %s: %w", a, held.Balance, from, ErrFunds)
	}
	if from == to || a == 0 {
		return nil
	}
	m.open(to).balance += a
	m.open(from).balance -= a
	return nil
}
