package ledger

// This file holds the beginning.

import (
	"fmt"

	"lode/protocol"
)

// Genesis is all there is before the first block.
type Genesis struct {
	_      struct{} `cbor:",toarray"`
	Name   string   // for people, and to keep networks apart
	Time   protocol.Instant
	Params NetworkParams
	Cap    Amount // of all that may ever exist
	Market bool   // runs have coins of their own, at prices that a pool makes
	Grants []Grant
	Runs   []FirstRun
	Seats  []Seat
}

// Grant is coin of one account.
type Grant struct {
	_       struct{} `cbor:",toarray"`
	Cold    Coldkey
	Balance Amount
	// Bound lets the account stake and do nothing else, for good: what it staked
	// stays where it is.
	Bound bool
}

// FirstRun is a run that needs no lock. Its number is its place in the list, from 1.
type FirstRun struct {
	_      struct{} `cbor:",toarray"`
	ID     protocol.RunID
	Owner  Coldkey
	Hot    Hotkey // one of the seats'
	Pool   Amount // coin in the pool, and as many units; without a market none
	Params RunParams
}

// Seat is a hotkey with its owner, his stake on a run, and whether it has a place
// there. A hotkey may have several seats, all with one owner.
type Seat struct {
	_     struct{} `cbor:",toarray"`
	Hot   Hotkey
	Cold  Coldkey
	Run   Run
	Stake Amount // units
	Place bool
}

// DefaultGenesis returns the reference chain's economy without anybody in it: a cap
// of 21 million coins, no market.
func DefaultGenesis(name string) Genesis {
	return Genesis{Name: name, Params: DefaultNetworkParams(), Cap: 21_000_000 * Coin}
}

// Network returns the digest that binds transactions and blocks to this beginning.
func (g Genesis) Network() protocol.Digest { return protocol.Hash("network", protocol.Encode(g)) }

// New starts a ledger before the first block.
func New(g Genesis) (*Machine, error) {
	if err := g.Params.Check(); err != nil {
		return nil, err
	}
	if g.Cap >= maxAmount {
		return nil, fmt.Errorf("ledger: cap %d: %w", g.Cap, ErrRange)
	}
	m := &Machine{net: Network{ID: g.Network(), Params: g.Params, Cap: g.Cap, Market: g.Market, Time: g.Time}}
	if _, err := m.step(func() error { return m.found(g) }); err != nil {
		return nil, fmt.Errorf("ledger: genesis: %w", err)
	}
	m.base = m.Root()
	return m, nil
}

func (m *Machine) found(g Genesis) error {
	for _, a := range g.Grants {
		if err := m.endow(a.Balance); err != nil {
			return err
		}
		m.credit(a.Cold, a.Balance)
		if a.Bound {
			save(&m.store, bound.key(a.Cold[:]), uint8(1))
		}
	}
	for _, s := range g.Seats {
		k := identities.key(s.Hot[:])
		if id, ok := load[Identity](&m.store, k); ok && id.Owner != s.Cold {
			return fmt.Errorf("hotkey %s: %w", s.Hot.Short(), ErrOwner)
		}
		save(&m.store, k, Identity{Owner: s.Cold, Take: uint16(min(g.Params.MaxTake, full))})
	}
	for _, r := range g.Runs {
		if err := m.foundRun(r); err != nil {
			return err
		}
	}
	for _, s := range g.Seats {
		if err := m.seat(s); err != nil {
			return fmt.Errorf("hotkey %s on run %d: %w", s.Hot.Short(), s.Run, err)
		}
	}
	return nil
}

// endow makes coin that somebody has from the beginning.
func (m *Machine) endow(a Amount) error {
	if a > m.net.Cap-m.net.Genesis {
		return fmt.Errorf("%d more than the cap allows: %w", a, ErrOverflow)
	}
	m.net.Genesis += a
	return nil
}

func (m *Machine) foundRun(f FirstRun) error {
	if _, err := m.owned(f.Hot, protocol.NodeID(f.Owner)); err != nil {
		return err
	}
	if m.store.has(runIDs.key(f.ID[:])) {
		return fmt.Errorf("run %s: %w", f.ID.Short(), ErrDuplicate)
	}
	if m.net.Market != (f.Pool > 0) || m.net.Market && f.Pool > Amount(m.net.Params.MinLock) {
		return fmt.Errorf("run %s: pool of %d: %w", f.ID.Short(), f.Pool, ErrRange)
	}
	if err := f.Params.Check(); err != nil {
		return err
	}
	if err := m.endow(f.Pool); err != nil {
		return err
	}
	m.openRun(RunState{ID: f.ID, Owner: f.Owner, Hot: f.Hot, Lock: f.Pool}, f.Params)
	return nil
}

func (m *Machine) seat(s Seat) error {
	if s.Stake > 0 {
		if err := m.seatStake(s); err != nil {
			return err
		}
	}
	if !s.Place {
		return nil
	}
	r, err := m.run(s.Run)
	switch {
	case err != nil:
		return err
	case m.store.has(uids.key(s.Run.bytes(), s.Hot[:])):
		return ErrDuplicate
	case uint64(r.Places) >= m.rules(s.Run).MaxUIDs:
		return ErrFull
	}
	if err := m.place(s.Run, r, m.rules(s.Run), s.Hot); err != nil || s.Stake == 0 {
		return err
	}
	// Without a permit nobody could weigh anybody in the first epoch.
	n := m.neuron(s.Run, int(r.Places))
	n.Permit = true
	save(&m.store, neurons.key(s.Run.bytes(), uidBytes(int(r.Places))), n)
	return nil
}

// seatStake makes units: coin, or the run's own.
func (m *Machine) seatStake(s Seat) error {
	if unitAsset(m.net.Market, s.Run) == coin {
		if _, err := m.buy(s.Run, 0); err != nil {
			return err
		}
		if err := m.endow(s.Stake); err != nil {
			return err
		}
		return m.put(s.Run, s.Hot, s.Cold, s.Stake)
	}
	r, err := m.run(s.Run)
	if err != nil {
		return err
	}
	if s.Stake > m.net.Cap-min(m.net.Cap, r.Issued) {
		return ErrOverflow
	}
	r.Issued += s.Stake
	m.saveRun(s.Run, r)
	return m.put(s.Run, s.Hot, s.Cold, s.Stake)
}
