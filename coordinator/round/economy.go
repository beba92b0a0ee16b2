package round

// This file holds where the round machine meets the ledger: a run has one of its own,
// which moves by transactions on the record and ends a block with every round.

import (
	"fmt"
	"math"
	"slices"

	"lode/protocol"
	"lode/yuma/ledger"
)

// Run is the number that every run has on its own ledger.
const Run ledger.Run = 1

// tempos are spans of the economy that a manifest does not name, in epochs.
const (
	immunity  = 10 // of a newcomer from losing its place
	unbonding = 10 // from unstaking to having the coin
	voting    = 10 // that a proposal is open
	delay     = 5  // from there to its execution
)

// Genesis is the ledger before the first round: the manifest's stakes, and a treasury
// of the invitation's key that invited validators are staked from and nothing else is
// done with. Places and identities are free.
func Genesis(man protocol.Manifest) ledger.Genesis {
	g := ledger.DefaultGenesis(man.ID().String())
	tempo := uint64(man.Economy.Tempo)
	n := &g.Params
	n.Emission, n.MinStake, n.Existential, n.IdentityFee, n.MaxTake = man.Economy.Emission, 1, 0, 0, math.MaxUint16
	n.MaxRuns, n.RunImmunity = 1, math.MaxUint32
	n.Unbond, n.VoteSpan, n.VoteDelay = unbonding*tempo, voting*tempo, delay*tempo
	n.VoteQuorum = math.MaxUint16 / 3 * 2
	g.Cap = ledger.Amount(man.Economy.Cap)
	if !man.Economy.Pays() {
		g.Cap = 1<<62 - 1
	}
	r := ledger.DefaultRunParams()
	r.Tempo, r.MaxUIDs, r.MaxValidators = tempo, uint64(man.Members.MaxMembers), uint64(man.Members.MaxMembers)
	r.Immunity, r.MinFree, r.KeepStaked, r.MinPrice, r.MaxPrice = immunity*tempo, 0, leastStake(man), 0, 0
	r.ActivityFactor, r.CurrentPermits, r.CommitReveal, r.WeightsRate = 1000, 1, 0, 0
	owner := man.Owner
	if owner == (protocol.NodeID{}) {
		owner, n.OwnerCut = man.Coordinator, 0
	}
	g.Runs = []ledger.FirstRun{{ID: man.ID(), Owner: ledger.Coldkey(owner), Hot: owner, Params: r}}
	g.Seats = []ledger.Seat{{Hot: owner, Cold: ledger.Coldkey(owner), Run: Run}}
	for _, s := range man.Members.Genesis {
		g.Seats = append(g.Seats, ledger.Seat{Hot: s.Node, Cold: ledger.Coldkey(s.Node), Run: Run, Stake: ledger.Amount(s.Stake), Place: true})
	}
	if fund := ledger.Amount(man.Members.InvitedStake) * ledger.Amount(man.Members.MaxMembers); fund > 0 {
		g.Grants = []ledger.Grant{{Cold: ledger.Coldkey(man.Members.Invitation), Balance: fund, Bound: true}}
	}
	return g
}

// leastStake is what a validator has at least: it keeps a place.
func leastStake(man protocol.Manifest) uint64 {
	least := man.Members.InvitedStake
	for _, g := range man.Members.Genesis {
		if least == 0 || g.Stake < least {
			least = g.Stake
		}
	}
	return least
}

func newLedger(man protocol.Manifest) *ledger.Machine {
	l, err := ledger.New(Genesis(man))
	if err != nil {
		panic(fmt.Sprintf("round: a valid manifest makes no ledger: %v", err))
	}
	return l
}

func (m *Machine) stakeOf(n protocol.NodeID) uint64 { return uint64(m.ledger.Staked(Run, n)) }

// EndsEpoch reports whether the block of a finished round ended an epoch.
func (s *Summary) EndsEpoch() bool {
	return slices.ContainsFunc(s.Due, func(e ledger.Event) bool { return e.What == "epoch" || e.What == "epoch refused" })
}

// Ledger returns the run's ledger, to be looked at and not moved.
func (m *Machine) Ledger() *ledger.Machine { return m.ledger }

// Holding is what a node has, for people: the stake on it, whoever staked it, and the
// balance of its owner.
type Holding struct {
	Node           protocol.NodeID
	Owner          ledger.Coldkey
	Stake, Balance uint64 // units of 1e-9 coin
}

// Holding returns what a node has.
func (m *Machine) Holding(n protocol.NodeID) Holding {
	h := Holding{Node: n, Owner: ledger.Coldkey(n), Stake: m.stakeOf(n)}
	if id, ok := m.ledger.Identity(n); ok {
		h.Owner = id.Owner
	}
	a, _ := m.ledger.Account(h.Owner)
	h.Balance = uint64(a.Balance)
	return h
}

// Place returns what the last epoch found of a node; ok is false if it has no place.
func (m *Machine) Place(n protocol.NodeID) (p ledger.Neuron, ok bool) {
	uid, ok := m.ledger.UID(Run, n)
	if !ok {
		return p, false
	}
	return m.ledger.Neuron(Run, uid), true
}

// Supply returns all coin that exists.
func (m *Machine) Supply() uint64 {
	n := m.ledger.Network()
	return uint64(n.Genesis + n.Emitted - n.Burned)
}
