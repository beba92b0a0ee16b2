package ledger

// This file holds what others ask of the state.

import (
	"lode/yuma"
	"lode/yuma/ledger/tree"
)

// Network returns the state that belongs to nobody.
func (m *Machine) Network() Network { return m.net }

// Height returns that of the open block.
func (m *Machine) Height() uint64 { return m.height() }

// Open returns how many transactions the open block has, and their length in bytes.
func (m *Machine) Open() (txs, bytes int) { return len(m.pending), m.pendingLen }

// Account returns what a key owns outright.
func (m *Machine) Account(c Coldkey) (Account, bool) {
	return load[Account](&m.store, accounts.key(c[:]))
}

// Identity returns who owns a hotkey.
func (m *Machine) Identity(h Hotkey) (Identity, bool) {
	return load[Identity](&m.store, identities.key(h[:]))
}

// Staked returns the stake on a hotkey, in units, whoever staked it.
func (m *Machine) Staked(run Run, h Hotkey) Amount { return m.own(run, h) }

// StakeOf returns the stake of one account on a hotkey, in units.
func (m *Machine) StakeOf(run Run, h Hotkey, c Coldkey) Amount {
	p, _ := load[Pool](&m.store, pools.key(run.bytes(), h[:]))
	held, _ := load[uint64](&m.store, positions.key(run.bytes(), h[:], c[:]))
	return p.worth(held)
}

// Worth returns what stake on a run is worth in coin, at the present price.
func (m *Machine) Worth(run Run, units Amount) Amount { return m.worth(run, units) }

// Voting returns the stake that counts in a run's epoch, child keys and root stake
// included.
func (m *Machine) Voting(run Run, h Hotkey) uint64 { return m.voting(run, h).weight(m.rootWeight()) }

// Runs returns the numbers of all runs that go on, ascending.
func (m *Machine) Runs() []Run { return m.runs() }

// Run returns a run that goes on, with its rules.
func (m *Machine) Run(run Run) (RunState, RunParams, bool) {
	r, err := m.run(run)
	return r, m.rules(run), err == nil
}

// RunOf returns the number of the run with a manifest.
func (m *Machine) RunOf(id [32]byte) (Run, bool) {
	run, err := m.runOf(id)
	return run, err == nil
}

// UID returns a hotkey's place on a run.
func (m *Machine) UID(run Run, h Hotkey) (uid int, ok bool) {
	uid, err := m.uidOf(run, h)
	return uid, err == nil
}

// Neuron returns who has a place on a run.
func (m *Machine) Neuron(run Run, uid int) Neuron { return m.neuron(run, uid) }

// Weakest returns whose place the next newcomer to a run takes; ok is false while there
// are free ones, or if nobody may lose its own.
func (m *Machine) Weakest(run Run) (n Neuron, ok bool) {
	r, err := m.run(run)
	p := m.rules(run)
	if err != nil || uint64(r.Places) < p.MaxUIDs {
		return Neuron{}, false
	}
	uid := m.prune(run, r, p)
	if uid < 0 {
		return Neuron{}, false
	}
	return m.neuron(run, uid), true
}

// EpochDue reports whether the open block, when it ends, ends an epoch of a run too.
func (m *Machine) EpochDue(run Run) bool {
	r, err := m.run(run)
	return err == nil && r.schedule(m.rules(run)).Due(m.height())
}

// Neurons returns the places of a run, by uid.
func (m *Machine) Neurons(run Run) []Neuron {
	r, _ := m.run(run)
	all := make([]Neuron, r.Places)
	for uid := range all {
		all[uid] = m.neuron(run, uid)
	}
	return all
}

// Weights returns the row that a place on a run has set.
func (m *Machine) Weights(run Run, uid int) []yuma.Entry {
	b, _ := load[[]byte](&m.store, weights.key(run.bytes(), uidBytes(uid)))
	return unpackRow(b)
}

// Escrow returns what is left of an escrow.
func (m *Machine) Escrow(n uint64) (Escrow, bool) {
	return load[Escrow](&m.store, escrows.key(number(n)))
}

// Proposal returns a proposal that is open or waits to be made.
func (m *Machine) Proposal(n uint64) (Proposal, bool) {
	return load[Proposal](&m.store, proposals.key(number(n)))
}

// Worth returns what so many shares of a pool are worth.
func (p Pool) Worth(shares uint64) Amount {
	if shares > p.Shares {
		return 0 // not shares of this pool
	}
	return p.worth(shares)
}

// Worth returns what stake on a run that goes on is worth in coin, at its present price.
func (r RunState) Worth(units Amount) Amount {
	switch {
	case r.Alpha == 0: // no market
		return units
	case !fits(units, uint64(r.Coin), uint64(r.Alpha)):
		return maxAmount
	}
	return mulDiv(units, uint64(r.Coin), uint64(r.Alpha))
}

// Setting is one parameter.
type Setting struct {
	Name      string
	Value     uint64
	Low, High uint64 // bounds, both allowed
}

// Settings returns the parameters by their numbers.
func (p NetworkParams) Settings() []Setting { return settings(networkTable, p) }

// Settings returns the parameters by their numbers.
func (p RunParams) Settings() []Setting { return settings(runTable, p) }

func settings[P any](table []param[P], p P) (all []Setting) {
	for _, e := range table {
		all = append(all, Setting{e.name, *e.of(&p), e.low, e.high})
	}
	return all
}

// ProveSpan shows all records whose keys begin with a prefix and are not below from, as
// many as fit; see [tree.Tree.ProveSpan].
func (m *Machine) ProveSpan(prefix, from string, most, mostBytes int) tree.Span {
	return m.store.tree.ProveSpan(prefix, from, most, mostBytes)
}
