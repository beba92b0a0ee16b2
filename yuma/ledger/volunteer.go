package ledger

// This file holds the ledger that pays nobody.

import (
	"fmt"

	"lode/yuma"
)

// Volunteer is the ledger of a run without coins. It keeps members and stakes,
// by which validators vote, as [Machine] does; its epochs mint nothing, pay nobody
// and rank nobody. One goroutine at a time may use it.
type Volunteer struct{ books }

// NewVolunteer starts a ledger before round 0 with places for so many members. It
// refuses more places than yuma.MaxNeurons, keys granted twice and grants above
// 2⁶² units in all.
func NewVolunteer(places int, genesis []Grant) (*Volunteer, error) {
	if places < 0 || places > yuma.MaxNeurons {
		return nil, fmt.Errorf("ledger: room for %d members, at most %d are allowed: %w", places, yuma.MaxNeurons, ErrParams)
	}
	b, err := newBooks(places, maxCap, genesis)
	if err != nil {
		return nil, err
	}
	return &Volunteer{b}, nil
}

// Epoch ends the epoch with round r. It takes the same rows and active set as
// [Machine.Epoch] and refuses what that refuses; what the rows say changes
// nothing, and everything the report counts in money or shares is zero.
func (v *Volunteer) Epoch(r Round, rows []Row, active []Hotkey) (Report, error) {
	if _, err := v.ballots(r, rows, active); err != nil {
		return Report{}, err
	}
	rep := Report{First: v.next, Last: r, Lines: make([]Line, len(v.neurons))}
	for i, n := range v.neurons {
		held, _ := v.Account(n.key)
		rep.Lines[i] = Line{Hotkey: n.key, Role: n.role, Stake: held.Stake, Balance: held.Balance}
	}
	v.next = r + 1
	return rep, nil
}
