package ledger

// This file holds stake: on a hotkey, on one run, by anybody.

import (
	"fmt"

	"lode/protocol"
)

// Stake turns coin of the signer into stake on a hotkey: on his own, or on that of a
// delegate, who keeps his take of what it earns.
type Stake struct {
	_      struct{} `cbor:",toarray"`
	Run    Run      // [Root] counts for all
	Hot    Hotkey
	Amount Amount // coin
	Least  Amount // units that must come of it, against others' trades before
}

// Kind implements [Body].
func (Stake) Kind() Kind { return 4 }

func (b Stake) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.identity(b.Hot); err != nil {
		return err
	}
	if err := m.debit(Coldkey(signer), b.Amount); err != nil {
		return fmt.Errorf("ledger: stake: %w", err)
	}
	units, err := m.buy(b.Run, b.Amount)
	if err != nil {
		return fmt.Errorf("ledger: stake: %w", err)
	}
	if units < b.Least {
		return fmt.Errorf("ledger: stake of %d buys %d: %w", b.Amount, units, ErrPrice)
	}
	if err := m.put(b.Run, b.Hot, Coldkey(signer), units); err != nil {
		return fmt.Errorf("ledger: stake: %w", err)
	}
	if err := m.keepsStake(b.Run, b.Hot, Coldkey(signer)); err != nil {
		return err
	}
	m.tell(Event{What: "stake", Run: b.Run, Hot: b.Hot, Cold: Coldkey(signer), Amount: units})
	return nil
}

// Unstake turns stake of the signer into coin, which he can [Withdraw] after the
// unbonding time; until then it can be slashed as before.
type Unstake struct {
	_     struct{} `cbor:",toarray"`
	Run   Run
	Hot   Hotkey
	Units Amount // the largest Amount is everything
	Least Amount // coin that must come of it
}

// Kind implements [Body].
func (Unstake) Kind() Kind { return 5 }

func (b Unstake) apply(m *Machine, signer protocol.NodeID) error {
	units, err := m.pull(b.Run, b.Hot, Coldkey(signer), b.Units)
	if err != nil {
		return fmt.Errorf("ledger: unstake: %w", err)
	}
	if err := m.keepsStake(b.Run, b.Hot, Coldkey(signer)); err != nil {
		return err
	}
	got, err := m.sell(b.Run, units)
	switch {
	case err != nil:
		return fmt.Errorf("ledger: unstake: %w", err)
	case got == 0:
		return fmt.Errorf("ledger: unstake of %d: %w", units, ErrDust)
	case got < b.Least:
		return fmt.Errorf("ledger: unstake of %d brings %d: %w", units, got, ErrPrice)
	}
	m.tell(Event{What: "unstake", Run: b.Run, Hot: b.Hot, Cold: Coldkey(signer), Amount: got})
	return m.leave(b.Run, b.Hot, Coldkey(signer), got)
}

// Leaving is coin on its way from a stake to a balance.
type Leaving struct {
	_      struct{} `cbor:",toarray"`
	Shares uint64   // of the pool of all that leaves the same hotkey and run
	Free   uint64   // height from which it may be withdrawn
}

// leave starts the unbonding of coin that left a pool. What was on its way before
// waits again.
func (m *Machine) leave(run Run, h Hotkey, c Coldkey, amount Amount) error {
	if m.net.Params.Unbond == 0 {
		m.credit(c, amount)
		return nil
	}
	pk, lk := leavingPools.key(run.bytes(), h[:]), leavings.key(run.bytes(), h[:], c[:])
	p, _ := load[Pool](&m.store, pk)
	shares, err := p.add(amount)
	if err != nil {
		return fmt.Errorf("ledger: unstake: %w", err)
	}
	l, _ := load[Leaving](&m.store, lk)
	l.Shares += shares
	l.Free = m.net.Height + m.net.Params.Unbond
	save(&m.store, pk, p)
	save(&m.store, lk, l)
	return nil
}

// Withdraw moves what the signer unstaked from a hotkey to his balance.
type Withdraw struct {
	_   struct{} `cbor:",toarray"`
	Run Run
	Hot Hotkey
}

// Kind implements [Body].
func (Withdraw) Kind() Kind { return 6 }

func (b Withdraw) apply(m *Machine, signer protocol.NodeID) error {
	pk, lk := leavingPools.key(b.Run.bytes(), b.Hot[:]), leavings.key(b.Run.bytes(), b.Hot[:], signer[:])
	l, ok := load[Leaving](&m.store, lk)
	switch {
	case !ok:
		return fmt.Errorf("ledger: withdraw from %s: %w", b.Hot.Short(), ErrUnknown)
	case m.net.Height < l.Free:
		return fmt.Errorf("ledger: withdraw from %s before %d: %w", b.Hot.Short(), l.Free, ErrEarly)
	}
	p, _ := load[Pool](&m.store, pk)
	amount := p.worth(l.Shares)
	p.take(amount, l.Shares)
	m.savePool(pk, p)
	m.store.remove(lk)
	m.credit(Coldkey(signer), amount)
	m.tell(Event{What: "withdraw", Run: b.Run, Hot: b.Hot, Cold: Coldkey(signer), Amount: amount})
	return nil
}

// savePool keeps a pool as long as somebody has shares of it.
func (m *Machine) savePool(key string, p Pool) {
	if p.Shares == 0 {
		m.store.remove(key)
		return
	}
	save(&m.store, key, p)
}

// put adds units to a position.
func (m *Machine) put(run Run, h Hotkey, c Coldkey, units Amount) error {
	pk, sk := pools.key(run.bytes(), h[:]), positions.key(run.bytes(), h[:], c[:])
	p, _ := load[Pool](&m.store, pk)
	shares, err := p.add(units)
	if err != nil {
		return err
	}
	held, _ := load[uint64](&m.store, sk)
	save(&m.store, sk, held+shares)
	save(&m.store, pk, p)
	m.restake(run, units, 0)
	return nil
}

// pull takes units out of a position, all if there are not more, and returns them.
func (m *Machine) pull(run Run, h Hotkey, c Coldkey, units Amount) (Amount, error) {
	pk, sk := pools.key(run.bytes(), h[:]), positions.key(run.bytes(), h[:], c[:])
	p, _ := load[Pool](&m.store, pk)
	held, ok := load[uint64](&m.store, sk)
	has := p.worth(held)
	switch {
	case !ok:
		return 0, fmt.Errorf("stake on %s: %w", h.Short(), ErrUnknown)
	case units == ^Amount(0):
		units = has
	case units > has:
		return 0, fmt.Errorf("%d of %d on %s: %w", units, has, h.Short(), ErrFunds)
	case units == 0:
		return 0, fmt.Errorf("nothing from %s: %w", h.Short(), ErrDust)
	}
	switch held -= p.take(units, held); {
	case held > 0:
		save(&m.store, sk, held)
	case units < has:
		return 0, fmt.Errorf("%d of %d on %s: %w", units, has, h.Short(), ErrDust)
	default:
		m.store.remove(sk)
	}
	m.savePool(pk, p)
	m.restake(run, 0, units)
	return units, nil
}

// restake keeps the total of a run's pools.
func (m *Machine) restake(run Run, in, out Amount) {
	k := totals.key(run.bytes())
	t, _ := load[Amount](&m.store, k)
	save(&m.store, k, t+in-out)
}

// keepsStake refuses a position that is not worth keeping.
func (m *Machine) keepsStake(run Run, h Hotkey, c Coldkey) error {
	p, _ := load[Pool](&m.store, pools.key(run.bytes(), h[:]))
	held, ok := load[uint64](&m.store, positions.key(run.bytes(), h[:], c[:]))
	if units := p.worth(held); ok && m.worth(run, units) < Amount(m.net.Params.MinStake) {
		return fmt.Errorf("ledger: stake of %d on %s: %w", units, h.Short(), ErrDust)
	}
	return nil
}

// reward adds to what a hotkey's stake is worth, for all who staked on it; it is the
// owner's where nobody did. It returns what found no place.
func (m *Machine) reward(run Run, h Hotkey, units Amount) (left Amount) {
	pk := pools.key(run.bytes(), h[:])
	p, ok := load[Pool](&m.store, pk)
	if !ok {
		return m.give(run, h, units)
	}
	p.Units += units
	save(&m.store, pk, p)
	m.restake(run, units, 0)
	return 0
}

// give pays a hotkey's owner: coin to the balance, a run's own coin as stake, since
// it is nothing else. It returns what is too little to be a share.
func (m *Machine) give(run Run, h Hotkey, units Amount) (left Amount) {
	if units == 0 {
		return 0
	}
	id, err := m.identity(h)
	if err != nil {
		panic("ledger: somebody is paid who is not there")
	}
	if unitAsset(m.net.Market, run) == coin {
		m.credit(id.Owner, units)
		return 0
	}
	if m.put(run, h, id.Owner, units) != nil {
		return units
	}
	return 0
}
