package ledger

// This file holds the law that money is neither made nor lost, checked over what a
// step changed.

import (
	"encoding/binary"
	"fmt"
)

// asset is what a sum is of: the coin, or the units or the staked total of a run.
type asset struct {
	run  Run
	kind byte
}

var coin = asset{}

const (
	unitsOf  byte = 1 // units that exist minus units that somebody has
	stakedOf byte = 2 // the run's total minus the sum of its pools
)

// sums are what a set of records adds up to. They wrap: those of a whole state are
// zero, and so are those of what a step changed.
type sums map[asset]uint64

func (s sums) add(a asset, v Amount, sign uint64) { s[a] += uint64(v) * sign }

// count adds a record, with sign 1, or takes it off, with ^0.
func (s sums) count(market bool, key, value string, sign uint64) {
	if value == "" {
		return
	}
	switch key[0] {
	case networks.letter:
		n := parse[Network](value)
		s.add(coin, n.Genesis+n.Emitted-n.Burned, -sign)
	case accounts.letter:
		s.add(coin, parse[Account](value).Balance, sign)
	case leavingPools.letter:
		s.add(coin, parse[Pool](value).Units, sign)
	case pools.letter:
		run, units := runIn(key), parse[Pool](value).Units
		s.add(unitAsset(market, run), units, sign)
		s.add(asset{run, stakedOf}, units, sign)
	case escrows.letter:
		e := parse[Escrow](value)
		s.add(coin, e.Amount-e.Paid, sign)
	case runs.letter, dissolved.letter:
		r, run := parse[RunState](value), runIn(key)
		s.add(coin, r.Lock+r.Coin, sign)
		s.add(unitAsset(market, run), r.owed(), sign)
		s.add(asset{run, unitsOf}, r.Alpha, sign)
		s.add(asset{run, unitsOf}, r.Issued, -sign)
	case totals.letter:
		s.add(asset{runIn(key), stakedOf}, parse[Amount](value), -sign)
	}
}

func runIn(key string) Run { return Run(binary.BigEndian.Uint32([]byte(key[1:5]))) }

// unitAsset returns what stake on a run is counted in.
func unitAsset(market bool, run Run) asset {
	if market && run != Root {
		return asset{run, unitsOf}
	}
	return coin
}

// check reports the first sum that is not zero.
func (s sums) check() error {
	for a, v := range s {
		if v != 0 {
			return fmt.Errorf("ledger: run %d, kind %d: off by %d: %w", a.run, a.kind, int64(v), ErrImbalance)
		}
	}
	return nil
}

// balanced reports what the changes since the last keep make or lose.
func (m *Machine) balanced() error {
	s := sums{}
	for _, c := range m.store.undo {
		s.count(m.net.Market, c.key, c.old, ^uint64(0))
		s.count(m.net.Market, c.key, c.new, 1)
	}
	return s.check()
}
