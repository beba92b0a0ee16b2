package ledger

// This file holds the epoch: what is minted since the last one and who gets it.

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"lode/yuma"
)

// Score is what a validator thinks of one worker: zero or more, relative to the
// other scores of its row.
type Score struct {
	Worker Hotkey
	Value  int64
}

// Row is one validator's opinion of the workers.
type Row struct {
	Validator Hotkey
	Scores    []Score
}

// Report says what an epoch paid and why.
type Report struct {
	First, Last Round // rounds it paid for
	Minted      Amount
	Owner       Amount // part of Minted that went to the owner
	Unpaid      Amount // part of Minted that went to nobody
	Lines       []Line // by uid
}

// Line is one neuron's part of an epoch.
type Line struct {
	Hotkey    Hotkey
	Role      Role
	Stake     Amount
	Incentive yuma.Q32 // share of what workers earned
	Dividend  yuma.Q32 // share of what validators earned
	Credited  Amount   // by this epoch, the owner's cut apart
	Balance   Amount   // after it
}

// Epoch mints for every round from the last epoch up to and including r and pays
// owner, workers and validators. A validator votes if it is in active; the stake
// of others is left out. Rows, scores and active come in any order.
//
// It refuses a round that is paid, keys that are not registered or join later,
// rows of others than validators, scores on others than workers, anybody named
// twice, and negative scores.
func (m *Machine) Epoch(r Round, rows []Row, active []Hotkey) (Report, error) {
	if r < m.next || r >= maxRound {
		return Report{}, fmt.Errorf("ledger: epoch of round %d, next is %d: %w", r, m.next, ErrRound)
	}
	in, err := m.state(r, rows, active)
	if err != nil {
		return Report{}, fmt.Errorf("ledger: epoch of round %d: %w", r, err)
	}
	minted := m.params.accrue(m.genesis+m.emitted, uint64(r-m.next)+1)
	p := m.params.split(minted)
	in.Emission = uint64(p.workers + p.validators)
	out, err := m.work.Epoch(m.params.consensus(), in)
	if err != nil {
		panic("ledger: the epoch refuses a checked state: " + err.Error())
	}
	rep := Report{First: m.next, Last: r, Minted: minted, Owner: p.owner, Lines: m.lines(out, p)}
	m.apply(&rep, out)
	return rep, nil
}

// block returns the block at which a round opens, as yuma counts: from 1, so that 0
// stays free for "never". The epoch after a round runs at the next block, and all
// its weights are as fresh as itself.
func block(r Round) uint64 { return uint64(r) + 1 }

// state translates to uids. It changes nothing.
func (m *Machine) state(r Round, rows []Row, active []Hotkey) (yuma.State, error) {
	book := m.newBook(r)
	s := yuma.State{
		Block:    block(r) + 1,
		LastStep: uint64(m.next), // block(next − 1), and 0 before the first epoch
		Neurons:  make([]yuma.Neuron, len(m.neurons)),
	}
	for i, n := range m.neurons {
		s.Neurons[i] = yuma.Neuron{Registered: block(n.joined), Bonds: n.bonds}
		if n.role == Validator && n.joined <= r {
			held, _ := m.Account(n.key)
			s.Neurons[i].Stake = uint64(held.Stake)
		}
	}
	for _, h := range active {
		i, err := book.uid(h)
		if err != nil {
			return yuma.State{}, fmt.Errorf("active set: %w", err)
		}
		if s.Neurons[i].LastUpdate != 0 {
			return yuma.State{}, fmt.Errorf("active set: %s: %w", h, ErrDuplicate)
		}
		s.Neurons[i].LastUpdate = s.Block
	}
	return s, m.fillWeights(s.Neurons, book, rows)
}

// fillWeights turns every row into a sorted row of stored weights.
func (m *Machine) fillWeights(neurons []yuma.Neuron, book book, rows []Row) error {
	named := make([]bool, len(neurons))
	for _, row := range rows {
		i, err := book.uid(row.Validator)
		switch {
		case err != nil:
			return fmt.Errorf("row: %w", err)
		case m.neurons[i].role != Validator:
			return fmt.Errorf("row of %s: %w", row.Validator, ErrRole)
		case named[i]:
			return fmt.Errorf("row of %s: %w", row.Validator, ErrDuplicate)
		}
		named[i] = true
		if neurons[i].Weights, err = m.weights(book, row.Scores); err != nil {
			return fmt.Errorf("row of %s: %w", row.Validator, err)
		}
	}
	return nil
}

// weights scales the scores so that the best is 65535 and sorts them by uid.
func (m *Machine) weights(book book, scores []Score) ([]yuma.Entry, error) {
	if len(scores) > len(m.neurons) {
		return nil, fmt.Errorf("%d scores of %d neurons: %w", len(scores), len(m.neurons), ErrDuplicate)
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
		i, err := book.uid(s.Worker)
		if err != nil {
			return nil, fmt.Errorf("score: %w", err)
		}
		if m.neurons[i].role != Worker {
			return nil, fmt.Errorf("score of %s: %w", s.Worker, ErrRole)
		}
		row[k] = yuma.Entry{UID: uint16(i), Value: scaled[k]}
	}
	slices.SortFunc(row, func(a, b yuma.Entry) int { return cmp.Compare(a.UID, b.UID) })
	for k := 1; k < len(row); k++ {
		if row[k].UID == row[k-1].UID {
			return nil, fmt.Errorf("score of %s: %w", m.neurons[row[k].UID].key, ErrDuplicate)
		}
	}
	return row, nil
}

// lines pays each pot by its own shares, each payment floored. The epoch's own
// numbers divide both pots together and so may take a unit of one for the other.
// Without incentive there are no dividends either, and both pots go to the stake.
func (m *Machine) lines(out yuma.Result, p pots) []Line {
	earned := slices.ContainsFunc(out.Incentive, func(x yuma.Q32) bool { return x > 0 })
	lines := make([]Line, len(m.neurons))
	for i, n := range m.neurons {
		l := Line{Hotkey: n.key, Role: n.role, Incentive: out.Incentive[i], Dividend: out.Dividends[i]}
		if earned {
			l.Credited = Amount(l.Incentive.Of(uint64(p.workers)) + l.Dividend.Of(uint64(p.validators)))
		} else {
			l.Credited = Amount(out.Validator[i])
		}
		lines[i] = l
	}
	return lines
}

// apply books the report. From here on nothing can fail.
func (m *Machine) apply(rep *Report, out yuma.Result) {
	left := rep.Minted - rep.Owner
	if rep.Owner > 0 {
		m.open(m.params.Owner).balance += rep.Owner
	}
	for i := range rep.Lines {
		l := &rep.Lines[i]
		if l.Credited > left {
			panic("ledger: an epoch pays more than it mints")
		}
		left -= l.Credited
		a := m.open(l.Hotkey)
		a.balance += l.Credited
		l.Stake, l.Balance = a.stake, a.balance
		m.neurons[i].bonds = slices.Clone(out.Bonds[i])
	}
	rep.Unpaid = left
	m.unpaid += left
	m.emitted += rep.Minted
	m.next = rep.Last + 1
}

// book finds uids by key for the length of one epoch.
type book struct {
	m      *Machine
	round  Round
	sorted []int32 // uids by key
}

func (m *Machine) newBook(r Round) book {
	b := book{m: m, round: r, sorted: make([]int32, len(m.neurons))}
	for i := range b.sorted {
		b.sorted[i] = int32(i)
	}
	slices.SortFunc(b.sorted, func(x, y int32) int {
		return bytes.Compare(m.neurons[x].key[:], m.neurons[y].key[:])
	})
	return b
}

// uid returns the index of a neuron that takes part in the round.
func (b book) uid(h Hotkey) (int, error) {
	at, found := slices.BinarySearchFunc(b.sorted, h, func(i int32, h Hotkey) int {
		return bytes.Compare(b.m.neurons[i].key[:], h[:])
	})
	if !found {
		return 0, fmt.Errorf("%s: %w", h, ErrUnknown)
	}
	i := int(b.sorted[at])
	if b.m.neurons[i].joined > b.round {
		return 0, fmt.Errorf("%s joins in round %d: %w", h, b.m.neurons[i].joined, ErrUnknown)
	}
	return i, nil
}
