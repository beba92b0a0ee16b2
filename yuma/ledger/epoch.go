package ledger

// This file holds the epoch: what is minted since the last one and who gets it.

import (
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
	in, err := m.ballots(r, rows, active)
	if err != nil {
		return Report{}, err
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
