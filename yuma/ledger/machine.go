package ledger

// This file holds the ledger that pays.

import "lode/yuma"

// Machine is the ledger that mints every round and pays by Yuma consensus. One
// goroutine at a time may use it.
type Machine struct {
	books
	params Params
	work   yuma.Workspace
}

// New starts a ledger before round 0. It refuses parameters out of range, keys
// granted twice and more grants than the cap.
func New(p Params, genesis []Grant) (*Machine, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	b, err := newBooks(p.MaxNeurons, p.Cap, genesis)
	if err != nil {
		return nil, err
	}
	return &Machine{books: b, params: p}, nil
}

// Params returns the rules.
func (m *Machine) Params() Params { return m.params }
