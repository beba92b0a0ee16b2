package ledger

// This file holds the epoch of a run: who is paid what it owes.

import (
	"bytes"
	"maps"
	"slices"

	"lode/yuma"
	"lode/yuma/economy"
)

// epoch pays what a run owes, by Yuma consensus. What rounding leaves stays owed. A
// state that the epoch refuses costs the run its turn and nothing else.
func (m *Machine) epoch(run Run) {
	m.settleChildren(run)
	r, _ := m.run(run)
	p := m.rules(run)
	in := m.gather(run, r, p)
	out, err := m.work.Epoch(p.consensus(), in)
	r.LastEpoch = m.net.Height
	r.Epochs++
	if err != nil {
		m.saveRun(run, r)
		m.tell(Event{What: "epoch refused", Run: run, Number: r.Epochs})
		return
	}
	r.LastStep = m.net.Height
	e := payday{m: m, run: run, r: &r, p: p, out: out}
	e.pay()
	e.store()
	m.saveRun(run, r)
	m.tell(Event{What: "epoch", Run: run, Amount: e.paid, Number: r.Epochs})
}

// gather returns what the epoch reads.
func (m *Machine) gather(run Run, r RunState, p RunParams) yuma.State {
	s := yuma.State{
		Block: m.net.Height, LastStep: r.LastStep, Neurons: make([]yuma.Neuron, r.Places),
		Emission: uint64(r.OwedServers + r.OwedValidators + r.OwedRoot),
	}
	for uid := range s.Neurons {
		n, at := m.neuron(run, uid), uidBytes(uid)
		w, _ := load[[]byte](&m.store, weights.key(run.bytes(), at))
		b, _ := load[[]byte](&m.store, bonds.key(run.bytes(), at))
		y := yuma.Neuron{
			Stake: m.voting(run, n.Hot).weight(m.rootWeight()), LastUpdate: n.Updated, Registered: n.Registered,
			Permit: n.Permit, Owner: n.Hot == r.Hot, Weights: unpackRow(w), Bonds: unpackRow(b),
		}
		if open := m.open(run, n.Hot, r, p); len(open) > 0 {
			y.HasCommit, y.Commit = true, open[0].Height
		}
		s.Neurons[uid] = y
	}
	return s
}

// payday hands out what a run owes.
type payday struct {
	m    *Machine
	run  Run
	r    *RunState
	p    RunParams
	out  yuma.Result
	earn []Amount // by uid, for pruning
	paid Amount
}

func (e *payday) pay() {
	m, r := e.m, e.r
	e.earn = make([]Amount, r.Places)
	owner := r.OwedOwner
	r.OwedOwner = m.give(e.run, r.Hot, owner)
	e.paid += owner - r.OwedOwner
	earned := slices.ContainsFunc(e.out.Incentive, func(q yuma.Q32) bool { return q > 0 })
	dividends := make([]Amount, r.Places)
	if earned {
		e.payServers()
		for uid, q := range e.out.Dividends {
			dividends[uid] = Amount(q.Of(uint64(r.OwedValidators + r.OwedRoot)))
		}
	} else {
		// Nobody earned anything: all goes by stake to those who validate.
		r.OwedValidators += r.OwedServers
		r.OwedServers = 0
		for uid, v := range e.out.Validator {
			dividends[uid] = Amount(v)
		}
	}
	e.payValidators(dividends)
}

// payServers divides the servers' part by incentive. The chain floors against both
// parts together, which can take a unit of one for the other.
func (e *payday) payServers() {
	pot := e.r.OwedServers
	for uid, q := range e.out.Incentive {
		a := Amount(q.Of(uint64(pot)))
		if a == 0 {
			continue
		}
		e.earn[uid] = a
		h := e.m.neuron(e.run, uid).Hot
		if h == e.r.Hot && e.p.BurnOwner == 1 {
			e.burn(a)
			e.r.OwedServers -= a
			continue
		}
		got := a - e.m.give(e.run, h, a)
		e.r.OwedServers -= got
		e.paid += got
		e.m.tell(Event{What: "incentive", Run: e.run, Hot: h, Amount: got, Number: uint64(uid)})
	}
}

// burn destroys what the run owed.
func (e *payday) burn(a Amount) {
	if unitAsset(e.m.net.Market, e.run) == coin {
		e.m.burn(a)
		return
	}
	e.r.Issued -= a
}

// payValidators passes dividends on to parents, splits them into those of the run
// and those of root stake, and pays delegates their take and stakers the rest.
func (e *payday) payValidators(dividends []Amount) {
	m, r := e.m, e.r
	by := map[Hotkey]uint64{}
	for uid, d := range dividends {
		if d == 0 {
			continue
		}
		e.earn[uid] += d
		e.passOn(by, m.neuron(e.run, uid).Hot, uint64(d))
	}
	hots := slices.SortedFunc(maps.Keys(by), func(a, b Hotkey) int { return bytes.Compare(a[:], b[:]) })
	holdings := make([]economy.Holding, len(hots))
	for i, h := range hots {
		holdings[i] = economy.Holding{Stake: uint64(m.own(e.run, h)), Root: uint64(m.own(Root, h)), Dividend: by[h]}
	}
	ofRun, ofRoot := economy.SplitRoot(uint64(r.OwedValidators), uint64(r.OwedRoot), m.rootWeight(), holdings)
	for i, h := range hots {
		a, b := Amount(ofRun[i]), Amount(ofRoot[i])
		r.OwedValidators -= a
		r.OwedRoot -= b
		left := e.dividend(h, a, e.run)
		r.OwedValidators += left
		leftRoot := e.dividend(h, b, Root)
		r.OwedRoot += leftRoot
		e.paid += a + b - left - leftRoot
		m.tell(Event{What: "dividend", Run: e.run, Hot: h, Amount: a + b - left - leftRoot})
	}
}

// passOn divides what a hotkey earned between it and its parents.
func (e *payday) passOn(by map[Hotkey]uint64, h Hotkey, earned uint64) {
	m := e.m
	lenders := m.parentsOf(e.run, h)
	c, _ := load[Children](&m.store, children.key(e.run.bytes(), h[:]))
	parts := make([]uint64, len(c.Now))
	for i, d := range c.Now {
		parts[i] = d.Part
	}
	own := economy.StakeWeight(
		economy.Inherited(uint64(m.own(e.run, h)), parts, nil), economy.Inherited(uint64(m.own(Root, h)), parts, nil), m.rootWeight())
	id, _ := m.identity(h)
	from := make([]economy.Parent, len(lenders))
	for i, l := range lenders {
		parent, _ := m.identity(l.Hot)
		from[i] = economy.Parent{
			Stake: economy.StakeWeight(uint64(m.own(e.run, l.Hot)), uint64(m.own(Root, l.Hot)), m.rootWeight()),
			Part:  l.Part, SameOwner: parent.Owner == id.Owner,
		}
	}
	toParents, toChild := economy.Dividends(earned, own, from, c.Take)
	by[h] += toChild
	for i, l := range lenders {
		if toParents[i] > 0 {
			by[l.Hot] += toParents[i]
		}
	}
}

// dividend pays an amount of what the run owes to a hotkey: its take to the owner, the
// rest to all who staked on it, on the run or, sold for coin, on root. It returns
// what found no place.
func (e *payday) dividend(h Hotkey, a Amount, on Run) (left Amount) {
	m := e.m
	if a == 0 {
		return 0
	}
	id, _ := m.identity(h)
	take, _ := economy.Take(uint64(a), id.Take)
	left = m.give(e.run, h, Amount(take))
	rest := a - Amount(take)
	if on == Root && unitAsset(m.net.Market, e.run) != coin {
		rest = e.r.sell(rest, m.net.Params.SwapFee)
		if m.reward(Root, h, rest) != 0 {
			panic("ledger: coin that nobody can be paid")
		}
		return left
	}
	return left + m.reward(on, h, rest)
}

// store writes down what the next epoch reads and people like to see.
func (e *payday) store() {
	m := e.m
	for uid := range int(e.r.Places) {
		at, n, o := uidBytes(uid), m.neuron(e.run, uid), e.out
		n.Permit, n.Emission = o.Permits[uid], e.earn[uid]
		n.Consensus, n.Trust = o.Consensus[uid].Uint16(), o.ValidatorTrust[uid].Uint16()
		n.Incentive, n.Dividends = o.Incentive[uid].Uint16(), o.Dividends[uid].Uint16()
		save(&m.store, neurons.key(e.run.bytes(), at), n)
		// A bond lasts as long as its holder has a permit.
		if k := bonds.key(e.run.bytes(), at); len(o.Bonds[uid]) > 0 && n.Permit {
			save(&m.store, k, packRow(o.Bonds[uid]))
		} else {
			m.store.remove(k)
		}
	}
}
