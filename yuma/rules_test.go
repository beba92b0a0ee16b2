package yuma

// This file holds single rules at their boundaries, where the golden cases do not
// tell one side from the other.

import "testing"

// duo is one validator with a vote on two workers and a full bond on each.
func duo() State {
	return State{Block: 10, LastStep: 5, Emission: 100, Neurons: []Neuron{
		{
			Stake: 1, LastUpdate: 10, Permit: true,
			Weights: []Entry{{1, full}, {2, full}}, Bonds: []Entry{{1, full}, {2, full}},
		}, {}, {},
	}}
}

func run(t *testing.T, p Params, s State) Result {
	t.Helper()
	r, err := Epoch(p, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Bonds on a target that registered after the last epoch's block are void; before
// the first epoch the block before counts from the tempo.
func TestBondsOnNewcomersAreVoid(t *testing.T) {
	for _, c := range []struct {
		lastStep, registered uint64
		kept                 bool
	}{{5, 5, true}, {5, 6, false}, {0, 6, true}, {0, 7, false}} {
		p, s := DefaultParams(), duo()
		p.Tempo = 3 // block 10 − 3 = 7
		s.LastStep = c.lastStep
		s.Neurons[2].Registered = c.registered
		r := run(t, p, s)
		old, fresh := r.Bonds[0][0].Value, r.Bonds[0][1].Value
		if kept := old == fresh; kept != c.kept {
			t.Errorf("last epoch %d, registered %d: bonds %d and %d", c.lastStep, c.registered, old, fresh)
		}
	}
}

// A weight on a target that registered in the block of the oldest open commit
// counts; one block later it does not, and without a commit or the rule it does.
func TestCommitMasksNewcomers(t *testing.T) {
	for _, c := range []struct {
		rule, committed bool
		commit          uint64
		counts          bool
	}{{true, true, 7, true}, {true, true, 6, false}, {true, false, 6, true}, {false, true, 6, true}} {
		p, s := DefaultParams(), duo()
		p.CommitReveal = c.rule
		s.Neurons[0].HasCommit, s.Neurons[0].Commit = c.committed, c.commit
		s.Neurons[2].Registered = 7
		if got := run(t, p, s).Incentive[2] > 0; got != c.counts {
			t.Errorf("%+v: counts: %v", c, got)
		}
	}
}

// A weight above a zero consensus is clipped away, not to zero: the bond is gone
// at once, and with LiquidDecaysAbsent it decays.
func TestLiquidBondOnZeroConsensus(t *testing.T) {
	for _, decays := range []bool{true, false} {
		p, s := DefaultParams(), duo()
		p.LiquidAlpha, p.LiquidDecaysAbsent = true, decays
		s.Neurons = append(s.Neurons, Neuron{ // the majority, which knows only uid 1
			Stake: 9, LastUpdate: 10, Permit: true, Weights: []Entry{{1, full}},
		})
		r := run(t, p, s)
		if r.Consensus[1] == 0 || r.Consensus[2] != 0 {
			t.Fatalf("consensus %v", r.Consensus)
		}
		if gone := len(r.Bonds[0]) == 1; gone == decays {
			t.Errorf("decays %v: bonds %v", decays, r.Bonds[0])
		}
	}
}

// Without commit, permit or activity a neuron is only a worker: nothing it says
// counts, and an owner needs no permit and may weigh itself.
func TestOwnerNeedsNoPermit(t *testing.T) {
	s := State{Block: 2, Emission: 100, Neurons: []Neuron{
		{Stake: 1, LastUpdate: 2, Weights: []Entry{{0, 1}, {1, 1}}}, {},
	}}
	p := DefaultParams()
	p.StakeThreshold = 2
	if r := run(t, p, s); r.Incentive[0] != 0 || r.Permits[0] || r.Stake[0] != 0 {
		t.Errorf("no permit: %+v", r)
	}
	s.Neurons[0].Owner = true
	if r := run(t, p, s); r.Incentive[0] != half || r.Incentive[1] != half || !r.Permits[0] {
		t.Errorf("owner: incentive %v, permits %v", r.Incentive, r.Permits)
	}
}
