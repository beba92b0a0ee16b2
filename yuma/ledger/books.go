package ledger

// This file holds what every ledger keeps: what each key owns and who takes part.

import (
	"bytes"
	"fmt"
	"slices"

	"lode/yuma"
)

// books are accounts, places and totals. [Machine] and [Volunteer] differ in what
// an epoch does with them.
type books struct {
	next     Round     // first round whose epoch has not ended
	room     int       // neurons that fit
	accounts []account // ascending by key
	neurons  []neuron  // by uid

	// genesis + emitted − burned = unpaid + all balances and stakes, always.
	genesis, emitted, burned, unpaid Amount
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

// newBooks opens an account for every grant. All grants together may be limit.
func newBooks(room int, limit Amount, genesis []Grant) (books, error) {
	if len(genesis) > maxGrants {
		return books{}, fmt.Errorf("ledger: %d grants, at most %d are allowed: %w", len(genesis), maxGrants, ErrParams)
	}
	b := books{room: room}
	for _, g := range genesis {
		i, found := b.find(g.Hotkey)
		if found {
			return books{}, fmt.Errorf("ledger: genesis of %s: %w", g.Hotkey, ErrDuplicate)
		}
		for _, a := range []Amount{g.Balance, g.Stake} {
			if a > limit-b.genesis {
				return books{}, fmt.Errorf("ledger: genesis of %s passes the cap: %w", g.Hotkey, ErrParams)
			}
			b.genesis += a
		}
		b.accounts = slices.Insert(b.accounts, i, account{g.Hotkey, g.Balance, g.Stake})
	}
	return b, nil
}

// Register lets a key take part from round r on, and moves stake from the balance
// of from, which may be the key itself, to the key's stake. It refuses a key that
// is registered already, a round whose epoch has ended, more stake than the
// balance holds, and anybody once all places are taken.
func (b *books) Register(r Round, h Hotkey, role Role, stake Amount, from Hotkey) error {
	if err := b.admits(r, h, role, stake, from); err != nil {
		return err
	}
	if len(b.neurons) >= b.room {
		return fmt.Errorf("ledger: register %s among %d: %w", h, len(b.neurons), ErrFull)
	}
	b.stake(h, stake, from)
	b.neurons = append(b.neurons, neuron{key: h, role: role, joined: r})
	return nil
}

// Replace is Register in the place of a worker, who no longer takes part then and
// keeps its account. Its uid goes to the newcomer, the bonds on it are dropped.
// What the worker did since the last epoch is not paid.
func (b *books) Replace(r Round, worker, h Hotkey, role Role, stake Amount, from Hotkey) error {
	i, found := b.uid(worker)
	switch {
	case !found:
		return fmt.Errorf("ledger: replace %s: %w", worker, ErrUnknown)
	case b.neurons[i].role != Worker:
		return fmt.Errorf("ledger: replace %s: %w", worker, ErrRole)
	}
	if err := b.admits(r, h, role, stake, from); err != nil {
		return err
	}
	b.stake(h, stake, from)
	b.neurons[i] = neuron{key: h, role: role, joined: r}
	for k := range b.neurons {
		n := &b.neurons[k]
		n.bonds = slices.DeleteFunc(n.bonds, func(e yuma.Entry) bool { return int(e.UID) == i })
	}
	return nil
}

// admits refuses who cannot take part, whatever room there is.
func (b *books) admits(r Round, h Hotkey, role Role, stake Amount, from Hotkey) error {
	_, registered := b.uid(h)
	held, _ := b.Account(from)
	switch {
	case role != Worker && role != Validator:
		return fmt.Errorf("ledger: register %s as role %d: %w", h, role, ErrRole)
	case registered:
		return fmt.Errorf("ledger: register %s: %w", h, ErrDuplicate)
	case r < b.next || r > maxRound:
		return fmt.Errorf("ledger: register %s for round %d, next is %d: %w", h, r, b.next, ErrRound)
	case stake > held.Balance:
		return fmt.Errorf("ledger: register %s with stake %d of %d: %w", h, stake, held.Balance, ErrFunds)
	}
	return nil
}

// stake moves what from has to h's stake, and opens h's account if need be.
func (b *books) stake(h Hotkey, amount Amount, from Hotkey) {
	b.open(h).stake += amount
	if amount > 0 {
		b.open(from).balance -= amount
	}
}

// Transfer moves a from one key's balance to another's. It refuses more than the
// balance holds.
func (b *books) Transfer(from, to Hotkey, a Amount) error {
	held, _ := b.Account(from)
	if a > held.Balance {
		return fmt.Errorf("ledger: transfer %d of %d from %s: %w", a, held.Balance, from, ErrFunds)
	}
	if from == to || a == 0 {
		return nil
	}
	b.open(to).balance += a
	b.open(from).balance -= a
	return nil
}

// Slash burns a share of a key's stake, rounded down, and returns the amount. It
// refuses a key without an account.
func (b *books) Slash(h Hotkey, s Share) (Amount, error) {
	i, found := b.find(h)
	if !found {
		return 0, fmt.Errorf("ledger: slash %s: %w", h, ErrUnknown)
	}
	burned := s.Of(b.accounts[i].stake)
	b.accounts[i].stake -= burned
	b.burned += burned
	return burned, nil
}

// Account returns what a key owns, and whether it is known.
func (b *books) Account(h Hotkey) (Grant, bool) {
	i, found := b.find(h)
	if !found {
		return Grant{Hotkey: h}, false
	}
	a := b.accounts[i]
	return Grant{a.key, a.balance, a.stake}, true
}

// Next returns the first round whose epoch has not ended.
func (b *books) Next() Round { return b.next }

// Supply is all money there is, by origin. Genesis + Emitted − Burned equals
// Unpaid plus all balances and stakes.
type Supply struct {
	Genesis, Emitted, Burned Amount
	Unpaid                   Amount // minted, but rounding or want of anyone to pay left it over
}

// Total returns what exists now.
func (s Supply) Total() Amount { return s.Genesis + s.Emitted - s.Burned }

// Supply returns the totals.
func (b *books) Supply() Supply {
	return Supply{b.genesis, b.emitted, b.burned, b.unpaid}
}

// find returns where the account of h is or belongs.
func (b *books) find(h Hotkey) (int, bool) {
	return slices.BinarySearchFunc(b.accounts, h, func(a account, h Hotkey) int {
		return bytes.Compare(a.key[:], h[:])
	})
}

// open returns the account of h, made if need be. It is valid until the next one
// is made.
func (b *books) open(h Hotkey) *account {
	i, found := b.find(h)
	if !found {
		b.accounts = slices.Insert(b.accounts, i, account{key: h})
	}
	return &b.accounts[i]
}

// uid returns the index of a neuron.
func (b *books) uid(h Hotkey) (int, bool) {
	i := slices.IndexFunc(b.neurons, func(n neuron) bool { return n.key == h })
	return i, i >= 0
}
