package ledger

// This file holds the machine and its one way in for transactions.

import (
	"fmt"

	"lode/protocol"
	"lode/yuma"
)

// Machine is the ledger. Start from [New] or [Restore]. One goroutine at a time may
// use it.
type Machine struct {
	store      store
	net        Network         // what the state holds between steps
	base       protocol.Digest // root of the state that the open block began with
	pending    []Tx            // of the open block
	pendingLen int             // encoded
	events     []Event         // of the step at work
	work       yuma.Workspace
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

// Apply does what transactions ask, all of it, or returns why not and changes nothing.
// They become the next of the open block, whose height they see; time and beacon are
// those of the block before.
func (m *Machine) Apply(txs ...Tx) ([]Event, error) {
	size := m.pendingLen
	bodies := make([]Body, len(txs))
	for i, t := range txs {
		var err error
		if bodies[i], err = t.open(m.net.ID); err != nil {
			return nil, err
		}
		size += len(protocol.Encode(t))
	}
	if len(m.pending)+len(txs) > MaxBlockTxs || size > MaxBlockLen-headerRoom {
		return nil, fmt.Errorf("ledger: block %d: %w", m.height(), ErrBusy)
	}
	events, err := m.step(func() error {
		m.net.Height = m.height()
		for i, t := range txs {
			if err := m.perform(t, bodies[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		m.pending, m.pendingLen = append(m.pending, txs...), size
	}
	return events, err
}

// Check reports whether [Machine.Apply] would do what a transaction asks now. It
// changes nothing.
func (m *Machine) Check(t Tx) error {
	body, err := t.open(m.net.ID)
	if err != nil {
		return err
	}
	net := m.net
	m.net.Height = m.height()
	err = m.perform(t, body)
	m.store.revert()
	m.net, m.events = net, nil
	return err
}

// height returns that of the open block.
func (m *Machine) height() uint64 {
	if len(m.pending) > 0 {
		return m.net.Height
	}
	return m.net.Height + 1
}

// perform does what a transaction asks, within a step, once its signature is known to
// be right.
func (m *Machine) perform(t Tx, body Body) error {
	if err := m.count(t); err != nil {
		return err
	}
	if _, stakes := body.(Stake); !stakes && m.store.has(bound.key(t.Signer[:])) {
		return fmt.Errorf("ledger: account %s, which may stake and nothing else: %w", t.Signer.Short(), ErrClosed)
	}
	return body.apply(m, t.Signer)
}

// count checks that the transaction is the signer's next and counts it. Who has
// neither an account nor an identity has nothing to sign for, unless identities are
// free.
func (m *Machine) count(t Tx) error {
	k := accounts.key(t.Signer[:])
	a, ok := load[Account](&m.store, k)
	switch {
	case !ok && m.net.Params.IdentityFee > 0 && !m.store.has(identities.key(t.Signer[:])):
		return fmt.Errorf("ledger: signer %s: %w", t.Signer.Short(), ErrUnknown)
	case t.Nonce != a.Nonce:
		return fmt.Errorf("ledger: transaction %d of %s, %d is next: %w", t.Nonce, t.Signer.Short(), a.Nonce, ErrNonce)
	case t.Until != 0 && t.Until < m.net.Height:
		return fmt.Errorf("ledger: transaction valid until %d, now is %d: %w", t.Until, m.net.Height, ErrExpired)
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
