package ledger

// This file holds what validators say at the end of an epoch, checked and
// translated to what package yuma counts with.

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"lode/yuma"
)

// block returns the block at which a round opens, as yuma counts: from 1, so that 0
// stays free for "never". The epoch after a round runs at the next block, and all
// its weights are as fresh as itself.
func block(r Round) uint64 { return uint64(r) + 1 }

// ballots checks what an epoch up to round r is told and translates it to uids.
// It changes nothing.
func (b *books) ballots(r Round, rows []Row, active []Hotkey) (yuma.State, error) {
	if r < b.next || r >= maxRound {
		return yuma.State{}, fmt.Errorf("ledger: epoch of round %d, next is %d: %w", r, b.next, ErrRound)
	}
	s, err := b.state(r, rows, active)
	if err != nil {
		return yuma.State{}, fmt.Errorf("ledger: epoch of round %d: %w", r, err)
	}
	return s, nil
}

func (b *books) state(r Round, rows []Row, active []Hotkey) (yuma.State, error) {
	look := b.newLookup(r)
	s := yuma.State{
		Block:    block(r) + 1,
		LastStep: uint64(b.next), // block(next − 1), and 0 before the first epoch
		Neurons:  make([]yuma.Neuron, len(b.neurons)),
	}
	for i, n := range b.neurons {
		s.Neurons[i] = yuma.Neuron{Registered: block(n.joined), Bonds: n.bonds}
		if n.role == Validator && n.joined <= r {
			held, _ := b.Account(n.key)
			s.Neurons[i].Stake = uint64(held.Stake)
		}
	}
	for _, h := range active {
		i, err := look.uid(h)
		if err != nil {
			return yuma.State{}, fmt.Errorf("active set: %w", err)
		}
		if s.Neurons[i].LastUpdate != 0 {
			return yuma.State{}, fmt.Errorf("active set: %s: %w", h, ErrDuplicate)
		}
		s.Neurons[i].LastUpdate = s.Block
	}
	return s, b.fillWeights(s.Neurons, look, rows)
}

// fillWeights turns every row into a sorted row of stored weights.
func (b *books) fillWeights(neurons []yuma.Neuron, look lookup, rows []Row) error {
	named := make([]bool, len(neurons))
	for _, row := range rows {
		i, err := look.uid(row.Validator)
		switch {
		case err != nil:
			return fmt.Errorf("row: %w", err)
		case b.neurons[i].role != Validator:
			return fmt.Errorf("row of %s: %w", row.Validator, ErrRole)
		case named[i]:
			return fmt.Errorf("row of %s: %w", row.Validator, ErrDuplicate)
		}
		named[i] = true
		if neurons[i].Weights, err = b.weights(look, row.Scores); err != nil {
			return fmt.Errorf("row of %s: %w", row.Validator, err)
		}
	}
	return nil
}

// weights scales the scores so that the best is 65535 and sorts them by uid.
func (b *books) weights(look lookup, scores []Score) ([]yuma.Entry, error) {
	if len(scores) > len(b.neurons) {
		return nil, fmt.Errorf("%d scores of %d neurons: %w", len(scores), len(b.neurons), ErrDuplicate)
	}
	values := make([]int64, len(scores))
	for k, s := range scores {
		if s.Value < 0 {
			return nil, fmt.Errorf("score %d of %s: %w", s.Value, s.Worker, ErrScore)
		}
		values[k] = s.Value
	}
	scaled := make([]uint16, len(scores))
	yuma.MaxUpscale(scaled, values)
	row := make([]yuma.Entry, len(scores))
	for k, s := range scores {
		i, err := look.uid(s.Worker)
		if err != nil {
			return nil, fmt.Errorf("score: %w", err)
		}
		if b.neurons[i].role != Worker {
			return nil, fmt.Errorf("score of %s: %w", s.Worker, ErrRole)
		}
		row[k] = yuma.Entry{UID: uint16(i), Value: scaled[k]}
	}
	slices.SortFunc(row, func(a, b yuma.Entry) int { return cmp.Compare(a.UID, b.UID) })
	for k := 1; k < len(row); k++ {
		if row[k].UID == row[k-1].UID {
			return nil, fmt.Errorf("score of %s: %w", b.neurons[row[k].UID].key, ErrDuplicate)
		}
	}
	return row, nil
}

// lookup finds uids by key for the length of one epoch.
type lookup struct {
	books  *books
	round  Round
	sorted []int32 // uids by key
}

func (b *books) newLookup(r Round) lookup {
	l := lookup{books: b, round: r, sorted: make([]int32, len(b.neurons))}
	for i := range l.sorted {
		l.sorted[i] = int32(i)
	}
	slices.SortFunc(l.sorted, func(x, y int32) int {
		return bytes.Compare(b.neurons[x].key[:], b.neurons[y].key[:])
	})
	return l
}

// uid returns the index of a neuron that takes part in the round.
func (l lookup) uid(h Hotkey) (int, error) {
	neurons := l.books.neurons
	at, found := slices.BinarySearchFunc(l.sorted, h, func(i int32, h Hotkey) int {
		return bytes.Compare(neurons[i].key[:], h[:])
	})
	if !found {
		return 0, fmt.Errorf("%s: %w", h, ErrUnknown)
	}
	i := int(l.sorted[at])
	if neurons[i].joined > l.round {
		return 0, fmt.Errorf("%s joins in round %d: %w", h, neurons[i].joined, ErrUnknown)
	}
	return i, nil
}
