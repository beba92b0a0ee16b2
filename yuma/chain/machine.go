package chain

// This file holds the machine and its one way in for transactions.

import (
	"fmt"

	"lode/protocol"
	"lode/yuma"
)

// Machine is the ledger. Start from [New] or [Restore]. One goroutine at a time may
// use it.
type Machine struct {
	store  store
	net    Network // what the state holds between steps
	events []Event // of the step at work
	work   yuma.Workspace
}

// Network is the state that belongs to nobody.
type Network struct {
	_                        struct{}        `cbor:",toarray"`
	ID                       protocol.Digest // see [Genesis.Network]
	Params                   NetworkParams
	Cap                      Amount // of all that may ever exist
	Market                   bool   // runs have coins of their own
	Genesis, Emitted, Burned Amount
	Height                   uint64
	Time                     protocol.Instant
	Beacon, Block            protocol.Digest // of the last block
	Runs                     uint32          // created so far
	LastLock, LastRun        uint64          // what the newest run cost, when it came
	Escrows, Proposals       uint64          // opened so far
}

// Event says what a step did. Fields that a kind does not speak of are zero.
type Event struct {
	// What is one of: transfer, identity, take, stake, unstake, withdraw, run,
	// dissolved, place, weights, commit, children, child take, epoch, epoch refused,
	// incentive, dividend, equivocation, broken link, outvoted, escrow, claim, escrow
	// closed, proposal, vote, passed, rejected, executed, failed.
	What   string
	Run    Run
	Hot    Hotkey
	Cold   Coldkey
	Amount Amount
	Number uint64 // of an escrow, a proposal, a place, a round or an epoch; a take
}

func (m *Machine) tell(e Event) { m.events = append(m.events, e) }

// Apply does what a transaction asks, or returns why not and changes nothing. It
// may be called between blocks too: height and time are those of the last one.
func (m *Machine) Apply(t Tx) ([]Event, error) {
	body, err := t.open(m.net.ID)
	if err != nil {
		return nil, err
	}
	return m.perform(t, body)
}

// Check reports whether [Machine.Apply] would do what a transaction asks now. It
// changes nothing.
func (m *Machine) Check(t Tx) error {
	body, err := t.open(m.net.ID)
	if err != nil {
		return err
	}
	net := m.net
	if err = m.count(t); err == nil {
		err = body.apply(m, t.Signer)
	}
	m.store.revert()
	m.net, m.events = net, nil
	return err
}

// perform is Apply once the signature is known to be right.
func (m *Machine) perform(t Tx, body Body) ([]Event, error) {
	return m.step(func() error {
		if err := m.count(t); err != nil {
			return err
		}
		return body.apply(m, t.Signer)
	})
}

// count checks that the transaction is the signer's next and counts it. Who has
// neither an account nor an identity has nothing to sign for, unless identities are
// free.
func (m *Machine) count(t Tx) error {
	k := accounts.key(t.Signer[:])
	a, ok := load[Account](&m.store, k)
	switch {
	case !ok && m.net.Params.IdentityFee > 0 && !m.store.has(identities.key(t.Signer[:])):
		return fmt.Errorf("chain: signer %s: %w", t.Signer.Short(), ErrUnknown)
	case t.Nonce != a.Nonce:
		return fmt.Errorf("chain: transaction %d of %s, %d is next: %w", t.Nonce, t.Signer.Short(), a.Nonce, ErrNonce)
	case t.Until != 0 && t.Until < m.net.Height:
		return fmt.Errorf("chain: transaction valid until %d, now is %d: %w", t.Until, m.net.Height, ErrExpired)
	}
	a.Nonce++
	save(&m.store, k, a)
	return nil
}

// step does something whole or not at all.
func (m *Machine) step(do func() error) ([]Event, error) {
	before := m.net
	m.events = nil
	err := do()
	if err == nil {
		if m.net != before {
			save(&m.store, networks.key(), m.net)
		}
		err = m.balanced()
	}
	if err != nil {
		m.store.revert()
		m.net = before
		return nil, err
	}
	m.store.keep()
	return m.events, nil
}

// burn takes what has left its owner out of the supply.
func (m *Machine) burn(a Amount) { m.net.Burned += a }

// mint makes money that has an owner already; never beyond the cap.
func (m *Machine) mint(a Amount) { m.net.Emitted += a }

// issued returns all that was ever made.
func (m *Machine) issued() Amount { return m.net.Genesis + m.net.Emitted }
