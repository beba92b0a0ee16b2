package ledger

// This file holds the state and the operations on single accounts.

import (
	"bytes"
	"fmt"
	"slices"

	"lode/yuma"
)

// Machine is the state of the economy. One goroutine at a time may use it.
type Machine struct {
	params   Params
	next     Round     // first round that has not been paid
	accounts []account // ascending by key
	neurons  []neuron  // by uid, in the order of registration

	// genesis + emitted − burned = unpaid + all balances and stakes, always.
	genesis, emitted, burned, unpaid Amount

	work yuma.Workspace
}

// account is what one key owns.
type account struct {
	key            Hotkey
	balance, stake Amount
}

// neuron is one registered participant; it always has an account.
type neuron struct {
	key    Hotkey
	role   Role
	joined Round        // first round it takes part in
	bonds  []yuma.Entry // of a validator, by uid
}

// Grant is what one key owns at genesis.
type Grant struct {
	Hotkey         Hotkey
	Balance, Stake Amount
}

// maxGrants bounds the list of grants.
const maxGrants = 1 << 20

// New starts a ledger before round 0. It refuses parameters out of range, keys
// granted twice and more grants than the cap.
func New(p Params, genesis []Grant) (*Machine, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if len(genesis) > maxGrants {
		return nil, fmt.Errorf("ledger: %d grants, at most %d are allowed: %w", len(genesis), maxGrants, ErrParams)
	}
	m := &Machine{params: p}
	for _, g := range genesis {
		i, found := m.find(g.Hotkey)
		if found {
			return nil, fmt.Errorf("ledger: genesis of %s: %w", g.Hotkey, ErrDuplicate)
		}
		for _, a := range []Amount{g.Balance, g.Stake} {
			if a > p.Cap-m.genesis {
				return nil, fmt.Errorf("ledger: genesis of %s passes the cap: %w", g.Hotkey, ErrParams)
			}
			m.genesis += a
		}
		m.accounts = slices.Insert(m.accounts, i, account{g.Hotkey, g.Balance, g.Stake})
	}
	return m, nil
}

// Register lets a key take part from round r on, and moves stake from its balance
// to its stake. It refuses a key that is registered already, a round that is
// paid, more stake than the balance holds, and anybody once all places are taken.
func (m *Machine) Register(r Round, h Hotkey, role Role, stake Amount) error {
	_, registered := m.uid(h)
	held, _ := m.Account(h)
	switch {
	case role != Worker && role != Validator:
		return fmt.Errorf("ledger: register %s as role %d: %w", h, role, ErrRole)
	case registered:
		return fmt.Errorf("ledger: register %s: %w", h, ErrDuplicate)
	case r < m.next || r > maxRound:
		return fmt.Errorf("ledger: register %s for round %d, next is %d: %w", h, r, m.next, ErrRound)
	case len(m.neurons) >= m.params.MaxNeurons:
		return fmt.Errorf("ledger: register %s among %d: %w", h, len(m.neurons), ErrFull)
	case stake > held.Balance:
		return fmt.Errorf("ledger: register %s with stake %d of %d: %w", h, stake, held.Balance, ErrFunds)
	}
	a := m.open(h)
	a.balance -= stake
	a.stake += stake
	m.neurons = append(m.neurons, neuron{key: h, role: role, joined: r})
	return nil
}

// Slash burns a share of a key's stake, rounded down, and returns the amount. It
// refuses a key without an account.
func (m *Machine) Slash(h Hotkey, s Share) (Amount, error) {
	i, found := m.find(h)
	if !found {
		return 0, fmt.Errorf("ledger: slash %s: %w", h, ErrUnknown)
	}
	burned := s.Of(m.accounts[i].stake)
	m.accounts[i].stake -= burned
	m.burned += burned
	return burned, nil
}

// Account returns what a key owns, and whether it is known.
func (m *Machine) Account(h Hotkey) (Grant, bool) {
	i, found := m.find(h)
	if !found {
		return Grant{Hotkey: h}, false
	}
	a := m.accounts[i]
	return Grant{a.key, a.balance, a.stake}, true
}

// Params returns the rules.
func (m *Machine) Params() Params { return m.params }

// Next returns the first round that has not been paid.
func (m *Machine) Next() Round { return m.next }

// Supply is all money there is, by origin. Genesis + Emitted − Burned equals
// Unpaid plus all balances and stakes.
type Supply struct {
	Genesis, Emitted, Burned Amount
	Unpaid                   Amount // minted, but rounding or want of anyone to pay left it over
}

// Total returns what exists now.
func (s Supply) Total() Amount { return s.Genesis + s.Emitted - s.Burned }

// Supply returns the totals.
func (m *Machine) Supply() Supply {
	return Supply{m.genesis, m.emitted, m.burned, m.unpaid}
}

// find returns where the account of h is or belongs.
func (m *Machine) find(h Hotkey) (int, bool) {
	return slices.BinarySearchFunc(m.accounts, h, func(a account, h Hotkey) int {
		return bytes.Compare(a.key[:], h[:])
	})
}

// open returns the account of h, made if need be. It is valid until the next one
// is made.
func (m *Machine) open(h Hotkey) *account {
	i, found := m.find(h)
	if !found {
		m.accounts = slices.Insert(m.accounts, i, account{key: h})
	}
	return &m.accounts[i]
}

// uid returns the index of a neuron.
func (m *Machine) uid(h Hotkey) (int, bool) {
	i := slices.IndexFunc(m.neurons, func(n neuron) bool { return n.key == h })
	return i, i >= 0
}
