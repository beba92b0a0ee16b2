package ledger

// This file holds runs: what one costs, and which goes when there is no room.

import (
	"encoding/binary"
	"fmt"

	"lode/protocol"
	"lode/yuma"
	"lode/yuma/economy"
)

// RunState is one run. What is owed waits for the next epoch.
type RunState struct {
	_       struct{} `cbor:",toarray"`
	ID      protocol.RunID
	Owner   Coldkey
	Hot     Hotkey // of the owner: never loses its place
	Created uint64 // height
	Lock    Amount // coin that the owner gets back when the run is dissolved; none where runs have coins of their own

	Coin, Alpha Amount   // of the pool; none without a market
	Issued      Amount   // units that exist; none without a market
	Moving      yuma.Q32 // average price

	Places                                           uint16
	Price                                            Amount // of a place
	LastEpoch, LastStep                              uint64 // heights: of the last epoch, of the last that paid
	Epochs                                           uint64
	OwedOwner, OwedServers, OwedValidators, OwedRoot Amount
}

var (
	runs      = tableOf[RunState]('r', 4)     // run
	dissolved = tableOf[RunState]('z', 4)     // run
	runParams = tableOf[RunParams]('m', 4)    // run
	runIDs    = tableOf[uint32]('i', 32)      // manifest: run
	neurons   = tableOf[Neuron]('o', 4+2)     // run, uid
	uids      = tableOf[uint16]('k', 4+32)    // run, hotkey
	weights   = tableOf[[]byte]('w', 4+2)     // run, uid: see row
	bonds     = tableOf[[]byte]('b', 4+2)     // run, uid: see row
	commits   = tableOf[[]Commit]('c', 4+32)  // run, hotkey
	offences  = tableOf[uint64]('x', 32+32+8) // hotkey, manifest, round: height
)

// owed returns all that waits for the next epoch.
func (r *RunState) owed() Amount { return r.OwedOwner + r.OwedServers + r.OwedValidators + r.OwedRoot }

// schedule says when the run's epochs are.
func (r *RunState) schedule(p RunParams) economy.Schedule {
	return economy.Schedule{Last: r.LastEpoch, Step: max(r.LastStep, r.Created), Tempo: p.Tempo}
}

// CreateRun opens a run for its price, which must not pass Most.
type CreateRun struct {
	_    struct{} `cbor:",toarray"`
	ID   protocol.RunID
	Hot  Hotkey // an identity of the signer, for the owner's cut
	Most Amount
}

// Kind implements [Body].
func (CreateRun) Kind() Kind { return 7 }

func (b CreateRun) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.owned(b.Hot, signer); err != nil {
		return err
	}
	cost := m.runCost()
	switch {
	case m.store.has(runIDs.key(b.ID[:])):
		return fmt.Errorf("ledger: run %s: %w", b.ID.Short(), ErrDuplicate)
	case m.net.Runs > 0 && m.net.Height-m.net.LastRun < m.net.Params.RunRate:
		return fmt.Errorf("ledger: the last run came at %d: %w", m.net.LastRun, ErrEarly)
	case cost > b.Most:
		return fmt.Errorf("ledger: a run costs %d: %w", cost, ErrPrice)
	}
	if err := m.makeRoom(); err != nil {
		return err
	}
	if err := m.debit(Coldkey(signer), cost); err != nil {
		return fmt.Errorf("ledger: lock of a run: %w", err)
	}
	m.net.LastLock, m.net.LastRun = uint64(cost), m.net.Height
	m.openRun(RunState{ID: b.ID, Owner: Coldkey(signer), Hot: b.Hot, Lock: cost}, DefaultRunParams())
	return nil
}

// runCost is twice that of the last run, less a part of it for each block since, but
// never below the least (subnets/subnet.rs get_network_lock_cost).
func (m *Machine) runCost() Amount {
	p := m.net.Params
	since := m.net.Height - m.net.LastRun
	if m.net.Runs == 0 || since >= 2*p.LockInterval {
		return Amount(p.MinLock)
	}
	return Amount(max(p.MinLock, 2*m.net.LastLock-m.net.LastLock/p.LockInterval*since))
}

// openRun gives a run its number. With a market the least lock becomes the pool, at
// one unit a coin, and the rest is burned.
func (m *Machine) openRun(r RunState, p RunParams) Run {
	m.net.Runs++
	run := Run(m.net.Runs)
	r.Created, r.Price = m.net.Height, Amount(p.MinPrice)
	r.LastEpoch = economy.FirstEpoch(m.net.Height, uint64(run), p.Tempo)
	if m.net.Market {
		seed := min(r.Lock, Amount(m.net.Params.MinLock))
		m.burn(r.Lock - seed)
		r.Lock, r.Coin, r.Alpha, r.Issued = 0, seed, seed, seed
	}
	save(&m.store, runIDs.key(r.ID[:]), uint32(run))
	save(&m.store, runParams.key(run.bytes()), p)
	m.saveRun(run, r)
	m.tell(Event{What: "run", Run: run, Hot: r.Hot, Cold: r.Owner, Amount: Amount(m.net.LastLock)})
	return run
}

// makeRoom dissolves a run if there are as many as may be: of those that are old
// enough the one with the lowest average price, or the least stake where there is no
// market; of equals the oldest.
func (m *Machine) makeRoom() error {
	all := m.runs()
	if uint64(len(all)) < m.net.Params.MaxRuns {
		return nil
	}
	var least Run
	var lowest uint64
	for _, run := range all {
		r, _ := m.run(run)
		if m.net.Height-r.Created < m.net.Params.RunImmunity {
			continue
		}
		if s := m.standing(run, r); least == 0 || s < lowest {
			least, lowest = run, s
		}
	}
	if least == 0 {
		return fmt.Errorf("ledger: %d runs: %w", len(all), ErrFull)
	}
	m.dissolve(least)
	return nil
}

// standing is what runs are ranked by, and what their emission is divided by.
func (m *Machine) standing(run Run, r RunState) uint64 {
	if m.net.Market {
		return uint64(r.Moving)
	}
	return uint64(m.staked(run))
}

func (m *Machine) staked(run Run) Amount {
	t, _ := load[Amount](&m.store, totals.key(run.bytes()))
	return t
}

// dissolve ends a run. Its owner gets the lock back; who has stake on it unstakes
// when he likes; what it owed and what its pool held of its own coin are gone.
func (m *Machine) dissolve(run Run) {
	r, _ := m.run(run)
	owed := r.owed()
	if m.net.Market {
		r.Issued -= owed + r.Alpha
		r.Alpha = 0
		if r.Issued == 0 {
			m.burn(r.Coin)
			r.Coin = 0
		}
	} else {
		m.burn(owed)
		m.credit(r.Owner, r.Lock)
		r.Lock = 0
	}
	r.OwedOwner, r.OwedServers, r.OwedValidators, r.OwedRoot = 0, 0, 0, 0
	for uid := range int(r.Places) {
		m.vacate(run, uid)
	}
	r.Places = 0
	for _, t := range []table{children, parents} {
		for _, id := range m.store.ids(t.prefix(run.bytes())) {
			m.store.remove(t.key(id))
		}
	}
	m.store.remove(runs.key(run.bytes()))
	m.store.remove(runParams.key(run.bytes()))
	save(&m.store, dissolved.key(run.bytes()), r)
	m.tell(Event{What: "dissolved", Run: run})
}

// run returns a run that goes on.
func (m *Machine) run(run Run) (RunState, error) {
	r, ok := load[RunState](&m.store, runs.key(run.bytes()))
	if !ok {
		return r, fmt.Errorf("ledger: run %d: %w", run, ErrUnknown)
	}
	return r, nil
}

func (m *Machine) saveRun(run Run, r RunState) { save(&m.store, runs.key(run.bytes()), r) }

func (m *Machine) rules(run Run) RunParams {
	p, _ := load[RunParams](&m.store, runParams.key(run.bytes()))
	return p
}

// runs returns the numbers of all runs that go on, ascending.
func (m *Machine) runs() (all []Run) {
	for _, id := range m.store.ids(runs.prefix()) {
		all = append(all, Run(binary.BigEndian.Uint32(id)))
	}
	return all
}
