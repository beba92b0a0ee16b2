package ledger

// This file holds places on a run: what one costs, who gets one, who gives it up.

import (
	"fmt"

	"lode/protocol"
	"lode/yuma/economy"
)

// Neuron is one place on a run; its uid is its number.
type Neuron struct {
	_          struct{} `cbor:",toarray"`
	Hot        Hotkey
	Registered uint64 // height
	Updated    uint64 // height of its last weights or commit; that of its registration before
	Permit     bool   // to weigh others, from the last epoch
	Emission   Amount // of the last epoch

	Consensus, Trust, Incentive, Dividends uint16 // of the last epoch, in 65535ths
}

// Register buys a place on a run for a hotkey of the signer. What it costs is
// burned, and must not pass Most.
type Register struct {
	_    struct{} `cbor:",toarray"`
	Run  Run
	Hot  Hotkey
	Most Amount
}

// Kind implements [Body].
func (Register) Kind() Kind { return 8 }

func (b Register) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.owned(b.Hot, signer); err != nil {
		return err
	}
	r, err := m.run(b.Run)
	if err != nil {
		return err
	}
	p := m.rules(b.Run)
	switch {
	case p.Open == 0:
		return fmt.Errorf("ledger: run %d: %w", b.Run, ErrClosed)
	case m.store.has(uids.key(b.Run.bytes(), b.Hot[:])):
		return fmt.Errorf("ledger: hotkey %s on run %d: %w", b.Hot.Short(), b.Run, ErrDuplicate)
	case r.Price > b.Most:
		return fmt.Errorf("ledger: a place costs %d: %w", r.Price, ErrPrice)
	}
	if err := m.payPlace(&r, Coldkey(signer)); err != nil {
		return fmt.Errorf("ledger: a place on run %d: %w", b.Run, err)
	}
	r.Price = Amount(economy.PriceBounds{Min: p.MinPrice, Max: p.MaxPrice}.Bump(uint64(r.Price), uint16(p.PriceStep)))
	return m.place(b.Run, r, p, b.Hot)
}

// payPlace burns the price: coin, or the run's own that it buys.
func (m *Machine) payPlace(r *RunState, c Coldkey) error {
	if r.Price == 0 {
		return nil
	}
	if err := m.debit(c, r.Price); err != nil {
		return err
	}
	if !m.net.Market {
		m.burn(r.Price)
		return nil
	}
	r.Issued -= r.buy(r.Price, m.net.Params.SwapFee)
	return nil
}

// place gives a hotkey a uid: a new one, or that of who is pruned.
func (m *Machine) place(run Run, r RunState, p RunParams, h Hotkey) error {
	uid := int(r.Places)
	if uint64(uid) < p.MaxUIDs {
		r.Places++
	} else if uid = m.prune(run, r, p); uid < 0 {
		return fmt.Errorf("ledger: run %d: %w", run, ErrFull)
	} else {
		m.vacate(run, uid)
	}
	save(&m.store, neurons.key(run.bytes(), uidBytes(uid)), Neuron{Hot: h, Registered: m.net.Height, Updated: m.net.Height})
	save(&m.store, uids.key(run.bytes(), h[:]), uint16(uid))
	m.saveRun(run, r)
	m.tell(Event{What: "place", Run: run, Hot: h, Number: uint64(uid)})
	return nil
}

func (m *Machine) prune(run Run, r RunState, p RunParams) int {
	all := make([]economy.Place, r.Places)
	for uid := range all {
		n := m.neuron(run, uid)
		all[uid] = economy.Place{Emission: uint64(n.Emission), Registered: n.Registered, Protected: n.Hot == r.Hot || m.keepsPlace(run, p, n.Hot)}
	}
	return economy.Prune(m.net.Height, p.Immunity, int(p.MinFree), all)
}

// keepsPlace reports whether a hotkey has the stake that keeps a place. What is on its way
// out counts, since it can still be slashed, and only who has a place can be.
func (m *Machine) keepsPlace(run Run, p RunParams, h Hotkey) bool {
	if p.KeepStaked == 0 {
		return false
	}
	l, _ := load[Pool](&m.store, leavingPools.key(run.bytes(), h[:]))
	return uint64(m.own(run, h)+l.Units) >= p.KeepStaked
}

// vacate takes a neuron's place. Others' weights and bonds on it do not count for
// who comes next, since they are older.
func (m *Machine) vacate(run Run, uid int) {
	n := m.neuron(run, uid)
	at := uidBytes(uid)
	m.store.remove(uids.key(run.bytes(), n.Hot[:]))
	m.store.remove(commits.key(run.bytes(), n.Hot[:]))
	m.store.remove(weights.key(run.bytes(), at))
	m.store.remove(bonds.key(run.bytes(), at))
	m.store.remove(neurons.key(run.bytes(), at))
}

func (m *Machine) neuron(run Run, uid int) Neuron {
	n, _ := load[Neuron](&m.store, neurons.key(run.bytes(), uidBytes(uid)))
	return n
}

// uidOf returns a hotkey's uid on a run.
func (m *Machine) uidOf(run Run, h Hotkey) (int, error) {
	u, ok := load[uint16](&m.store, uids.key(run.bytes(), h[:]))
	if !ok {
		return 0, fmt.Errorf("ledger: hotkey %s on run %d: %w", h.Short(), run, ErrUnknown)
	}
	return int(u), nil
}
