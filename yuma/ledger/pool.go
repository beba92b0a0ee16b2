package ledger

// This file holds the pool: what many own by shares, so that what it earns or loses
// is theirs at one stroke.

import "fmt"

// Pool is an amount that belongs to shares.
type Pool struct {
	_      struct{} `cbor:",toarray"`
	Units  Amount
	Shares uint64
}

// add puts units in and returns the shares they are worth, floored. It refuses
// units that buy no share, and a pool that has lost so much that shares would
// overflow.
func (p *Pool) add(units Amount) (uint64, error) {
	shares := uint64(units)
	if p.Shares > 0 {
		if !fits(units, p.Shares, uint64(p.Units)) {
			return 0, fmt.Errorf("pool of %d for %d shares: %w", p.Units, p.Shares, ErrOverflow)
		}
		shares = uint64(mulDiv(units, p.Shares, uint64(p.Units)))
	}
	switch {
	case shares == 0:
		return 0, fmt.Errorf("%d units buy no share: %w", units, ErrDust)
	case shares >= maxAmount-p.Shares || units >= maxAmount-p.Units:
		return 0, fmt.Errorf("pool of %d for %d shares: %w", p.Units, p.Shares, ErrOverflow)
	}
	p.Units += units
	p.Shares += shares
	return shares, nil
}

// worth returns what so many shares are worth, floored; all of them are worth all.
func (p Pool) worth(shares uint64) Amount {
	if shares == 0 {
		return 0
	}
	return mulDiv(p.Units, shares, p.Shares)
}

// take takes units, which must be there, out of so many shares and returns the
// shares that this costs, rounded up; to take what they are worth costs all.
func (p *Pool) take(units Amount, shares uint64) uint64 {
	cost := shares
	if units < p.worth(shares) {
		cost = min(shares, uint64(mulDivUp(Amount(p.Shares), uint64(units), uint64(p.Units))))
	}
	p.Units -= units
	p.Shares -= cost
	return cost
}
