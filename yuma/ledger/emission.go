package ledger

// This file holds what a block mints, and which run gets how much of it.

import (
	"lode/yuma"
	"lode/yuma/economy"
)

// standingOf is a run at the begin of a block.
type standingOf struct {
	run   Run
	r     RunState
	p     RunParams
	stake uint64 // what its emission is in proportion to; 0 if it gets none
}

// emit mints a block's coin and divides it among the runs, by the stake on them or,
// where they have coins of their own, by their average prices.
func (m *Machine) emit(all []standingOf) {
	var total uint64
	for i := range all {
		if all[i].p.Open == 1 {
			all[i].stake = m.standing(all[i].run, all[i].r)
		}
		total += all[i].stake
	}
	minted := Amount(economy.Emission(uint64(m.net.Cap), m.net.Params.Emission, uint64(m.issued())))
	minted = min(minted, m.net.Cap-min(m.net.Cap, m.issued()))
	if total == 0 || minted == 0 {
		return
	}
	rootPaid := !m.net.Market || total > uint64(one) // the prices of all runs together pass one coin
	for i := range all {
		s := &all[i]
		part := mulDiv(minted, s.stake, total)
		if m.net.Market {
			m.inject(s, part, rootPaid)
		} else {
			m.owe(s, part, m.staked(s.run), true)
		}
	}
}

// owe sets an amount aside for the run's next epoch and mints it.
func (m *Machine) owe(s *standingOf, amount, issued Amount, rootPaid bool) {
	root := economy.RootProportion(uint64(m.staked(Root)), m.rootWeight(), uint64(issued))
	pots := economy.Split(uint64(amount), uint16(m.net.Params.OwnerCut), root)
	if !rootPaid {
		pots.Root = 0
	}
	s.r.OwedOwner += Amount(pots.Owner)
	s.r.OwedServers += Amount(pots.Servers)
	s.r.OwedValidators += Amount(pots.Validators)
	s.r.OwedRoot += Amount(pots.Root)
	sum := Amount(pots.Owner + pots.Servers + pots.Validators + pots.Root)
	if m.net.Market {
		s.r.Issued += sum
	} else {
		m.mint(sum)
	}
}

// inject puts coin into the pool of a run and as much of the run's own as leaves the
// price, but no more than it emits; as much again is owed (coinbase/run_coinbase.rs
// of 2025).
func (m *Machine) inject(s *standingOf, amount Amount, rootPaid bool) {
	units := Amount(economy.Emission(uint64(m.net.Cap), m.net.Params.Emission, uint64(s.r.Issued)))
	if s.stake == 0 {
		return
	}
	in := units
	if fits(amount, uint64(s.r.Alpha), uint64(s.r.Coin)) {
		in = min(in, mulDiv(amount, uint64(s.r.Alpha), uint64(s.r.Coin)))
	}
	issued := s.r.Issued
	s.r.Coin += amount
	m.mint(amount)
	s.r.Alpha += in
	s.r.Issued += in
	m.owe(s, units, issued, rootPaid)
}

// move brings a run's average price up to date.
func (m *Machine) move(s *standingOf) {
	if !m.net.Market {
		return
	}
	rate := yuma.Q32(m.net.Params.PriceRate << 32 / 1_000_000_000)
	s.r.Moving = economy.MovingPrice(s.r.Moving, s.r.price(), rate, m.net.Height-s.r.Created, m.net.Params.PriceHalving)
}
