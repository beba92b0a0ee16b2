package ledger

// This file holds what stake on a run costs and brings: one coin a unit, or the price
// of the run's pool.

import (
	"fmt"
	"math/bits"

	"lode/yuma"
)

// buy turns coin into stake on a run.
func (m *Machine) buy(run Run, amount Amount) (units Amount, err error) {
	if run == Root {
		return amount, nil
	}
	r, err := m.run(run)
	if err != nil || !m.net.Market {
		return amount, err
	}
	units = r.buy(amount, m.net.Params.SwapFee)
	m.saveRun(run, r)
	if units == 0 {
		return 0, fmt.Errorf("%d buys nothing: %w", amount, ErrDust)
	}
	return units, nil
}

// sell turns stake that left a run's pools into coin. A dissolved run pays from what
// its pool held, to each his part.
func (m *Machine) sell(run Run, units Amount) (amount Amount, err error) {
	if run == Root || !m.net.Market {
		return units, nil
	}
	if r, err := m.run(run); err == nil {
		amount = r.sell(units, m.net.Params.SwapFee)
		m.saveRun(run, r)
		return amount, nil
	}
	k := dissolved.key(run.bytes())
	r, ok := load[RunState](&m.store, k)
	if !ok {
		return 0, fmt.Errorf("run %d: %w", run, ErrUnknown)
	}
	amount = r.redeem(units)
	save(&m.store, k, r)
	return amount, nil
}

// worth returns what stake on a run is worth in coin at the present price.
func (m *Machine) worth(run Run, units Amount) Amount {
	if run == Root || !m.net.Market || units == 0 {
		return units
	}
	if r, err := m.run(run); err == nil {
		return r.Worth(units)
	}
	r, _ := load[RunState](&m.store, dissolved.key(run.bytes()))
	return r.redeem(units)
}

// buy puts coin into the pool, Coin·Alpha staying what it is but for the fee, which
// stays in the pool (dynamic TAO, constant product).
func (r *RunState) buy(amount Amount, fee uint64) (units Amount) {
	in := amount - share(amount, fee)
	units = mulDiv(r.Alpha, uint64(in), uint64(r.Coin+in))
	r.Coin += amount
	r.Alpha -= units
	return units
}

// sell is buy the other way round.
func (r *RunState) sell(units Amount, fee uint64) (amount Amount) {
	in := units - share(units, fee)
	amount = mulDiv(r.Coin, uint64(in), uint64(r.Alpha+in))
	r.Alpha += units
	r.Coin -= amount
	return amount
}

// redeem gives units back to a dissolved run, for their part of its coin.
func (r *RunState) redeem(units Amount) (amount Amount) {
	if units == 0 || r.Issued == 0 {
		return 0
	}
	amount = mulDiv(r.Coin, uint64(units), uint64(r.Issued))
	r.Coin -= amount
	r.Issued -= units
	return amount
}

const one yuma.Q32 = 1 << 32

// price returns what a unit costs, at most one coin.
func (r *RunState) price() yuma.Q32 {
	if r.Coin >= r.Alpha {
		return one
	}
	q, _ := bits.Div64(uint64(r.Coin)>>32, uint64(r.Coin)<<32, uint64(r.Alpha))
	return yuma.Q32(q)
}
