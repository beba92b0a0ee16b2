package ledger

import (
	"testing"

	"lode/protocol"
	"lode/yuma/economy"
)

func find(events []Event, what string) (found []Event) {
	for _, e := range events {
		if e.What == what {
			found = append(found, e)
		}
	}
	return found
}

// A run costs twice the last, falling back with time (the chain's lock cost).
func TestCreateRun(t *testing.T) {
	w := newWorld(t, false)
	w.not(ErrOwner, "bob", CreateRun{ID: protocol.RunID{2}, Hot: pub("v1"), Most: ^Amount(0)})
	w.not(ErrDuplicate, "ann", CreateRun{ID: runID, Hot: pub("v1"), Most: ^Amount(0)})
	w.pass(200)
	equal(t, "cost", w.runCost(), 1000*Coin)
	w.not(ErrPrice, "ann", CreateRun{ID: protocol.RunID{2}, Hot: pub("v1"), Most: 1000*Coin - 1})
	ev := w.do("ann", CreateRun{ID: protocol.RunID{2}, Hot: pub("v1"), Most: 1000 * Coin})
	equal(t, "number", find(ev, "run")[0].Run, 2)
	equal(t, "cost of the next", w.runCost(), 2000*Coin)
	w.not(ErrEarly, "ann", CreateRun{ID: protocol.RunID{3}, Hot: pub("v1"), Most: 2000 * Coin})
	w.pass(11)
	equal(t, "later", w.runCost(), 1900*Coin)
	w.pass(200)
	equal(t, "the least", w.runCost(), 1000*Coin)
}

// Where there is no room the run with the least standing goes, once it is old enough;
// its stakers and its owner get theirs back.
func TestDissolve(t *testing.T) {
	for _, market := range []bool{false, true} {
		w := newWorld(t, market, func(g *Genesis) { g.Params.MaxRuns = 2 })
		w.do("bob", Stake{Run: 1, Hot: pub("v1"), Amount: 100 * Coin})
		w.pass(10)
		w.do("ann", CreateRun{ID: protocol.RunID{2}, Hot: pub("v2"), Most: ^Amount(0)})
		w.pass(5)
		w.not(ErrFull, "ann", CreateRun{ID: protocol.RunID{3}, Hot: pub("v2"), Most: ^Amount(0)})
		w.pass(49)
		if market { // the price of a new run has not moved yet
			r, _ := w.run(2)
			r.Moving = 1 << 31
			w.saveRun(2, r)
			w.store.keep()
		} else {
			w.do("ann", Stake{Run: 2, Hot: pub("v2"), Amount: 20_000 * Coin})
		}
		before := w.balance("cid")
		w.do("ann", CreateRun{ID: protocol.RunID{3}, Hot: pub("v2"), Most: ^Amount(0)})
		equal(t, "runs", len(w.Runs()), 2)
		equal(t, "first that is left", w.Runs()[0], 2)
		equal(t, "the owner's", w.balance("cid"), before) // this run had no lock
		w.not(ErrUnknown, "bob", Stake{Run: 1, Hot: pub("v1"), Amount: Coin})
		w.not(ErrDuplicate, "ann", CreateRun{ID: runID, Hot: pub("v1"), Most: ^Amount(0)})
		for _, who := range []string{"ann", "bob"} {
			for _, v := range append(validators, workers...) {
				if w.StakeOf(1, pub(v), cold(who)) > 0 {
					w.do(who, Unstake{Run: 1, Hot: pub(v), Units: ^Amount(0)})
				}
			}
		}
		w.pass(6)
		w.do("bob", Withdraw{Run: 1, Hot: pub("v1")})
	}
}

// A place costs more with each registration and less with time; who earns least goes.
func TestRegister(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Runs[0].Params.MaxUIDs = 7 })
	price := func() Amount { r, _ := w.run(1); return r.Price }
	least := Amount(w.rules(1).MinPrice)
	for _, h := range []string{"n1", "n2", "n3"} {
		w.do("ann", Identify{Hot: pub(h), Proof: proof(w, h, "ann")})
	}
	w.not(ErrPrice, "ann", Register{Run: 1, Hot: pub("n1"), Most: least - 1})
	w.not(ErrOwner, "bob", Register{Run: 1, Hot: pub("n1"), Most: least})
	w.not(ErrDuplicate, "ann", Register{Run: 1, Hot: pub("v1"), Most: least})
	w.not(ErrUnknown, "ann", Register{Run: 2, Hot: pub("n1"), Most: least})
	burned := w.net.Burned
	w.do("ann", Register{Run: 1, Hot: pub("n1"), Most: least})
	equal(t, "burned", w.net.Burned-burned, least)
	equal(t, "price", price(), least*126/100)
	// Somebody else was first: the limit protects who sent the same offer.
	w.not(ErrPrice, "ann", Register{Run: 1, Hot: pub("n2"), Most: least})
	w.do("ann", Register{Run: 1, Hot: pub("n2"), Most: 2 * least})
	dear := price()
	w.pass(1)
	f := economy.DecayFactor(360)
	equal(t, "a block later", price(), Amount(f.Of(uint64(dear))))

	// All seven places are taken, and all but none are immune: the oldest goes.
	w.pass(10)
	n := w.Neurons(1)
	equal(t, "places", len(n), 7)
	var goes int
	for uid := range n {
		if n[uid].Emission < n[goes].Emission {
			goes = uid
		}
	}
	old := n[goes].Hot
	ev := w.do("ann", Register{Run: 1, Hot: pub("n3"), Most: 2 * least})
	equal(t, "uid", find(ev, "place")[0].Number, uint64(goes))
	if _, err := w.uidOf(1, old); err == nil {
		t.Error("who was pruned still has a place")
	}
	equal(t, "newcomer", w.Neurons(1)[goes], Neuron{Hot: pub("n3"), Registered: w.net.Height, Updated: w.net.Height})
}

func weighs(run Run, pairs ...uint16) SetWeights {
	s := SetWeights{Run: run}
	for i := 0; i < len(pairs); i += 2 {
		s.UIDs, s.Values = append(s.UIDs, pairs[i]), append(s.Values, pairs[i+1])
	}
	return s
}

func TestWeights(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Runs[0].Params.WeightsRate = 4 })
	w.pass(1)
	w.not(ErrUnknown, "v1", weighs(2, 3, 1))
	w.not(ErrUnknown, "ann", weighs(1, 3, 1)) // not a hotkey with a place
	w.not(economy.ErrPermit, "w1", weighs(1, 4, 1))
	w.not(economy.ErrDuplicate, "v1", weighs(1, 3, 1, 3, 2))
	w.not(economy.ErrTarget, "v1", weighs(1, 5, 1))
	w.not(economy.ErrTooFew, "v1", weighs(1))
	w.do("v1", weighs(1, 4, 10, 3, 20))
	row := w.Weights(1, 0)
	equal(t, "first", row[0].UID, 3)
	equal(t, "scaled", row[0].Value, 65535)
	w.pass(3)
	w.not(economy.ErrRate, "v1", weighs(1, 4, 1))
	w.not(ErrClosed, "v1", CommitWeights{Run: 1})
	w.pass(1)
	w.do("v1", weighs(1, 4, 1))
}

func TestCommitReveal(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Runs[0].Params.CommitReveal = 1 })
	w.pass(2)
	w.not(ErrClosed, "v1", weighs(1, 4, 1))
	show := func(salt byte) RevealWeights {
		return RevealWeights{Weights: weighs(1, 4, 1, 3, uint16(salt)), Salt: [16]byte{salt}}
	}
	for salt := range byte(economy.MaxCommits) {
		w.do("v1", CommitWeights{Run: 1, Digest: show(salt).Digest(pub("v1"))})
	}
	w.not(ErrFull, "v1", CommitWeights{Run: 1})
	w.not(ErrEarly, "v1", show(5))
	w.do("v2", CommitWeights{Run: 1, Digest: show(5).Digest(pub("v1"))}) // copied from v1
	w.pass(3)
	w.not(ErrUnknown, "v2", show(5)) // and of no use
	w.not(ErrUnknown, "v1", show(77))
	w.do("v1", show(5))
	w.not(ErrUnknown, "v1", show(5))
	w.not(ErrUnknown, "v1", show(4)) // older ones are void
	w.do("v1", show(6))
	w.pass(5)
	w.not(ErrUnknown, "v1", show(7)) // too late
}

// An epoch divides what a run is owed: the owner's cut, half of the rest to workers by
// incentive, half to validators and to who staked on them.
func TestEpochPays(t *testing.T) {
	w := newWorld(t, false)
	w.pass(1)
	for _, v := range validators {
		w.do(v, weighs(1, 3, 30, 4, 10))
	}
	w.do("cid", Stake{Run: 1, Hot: pub("v3"), Amount: 300 * Coin})
	w.pass(4) // to the first epoch
	bob, cid := w.balance("bob"), w.balance("cid")
	stake := w.StakeOf(1, pub("v3"), cold("cid"))
	ev := w.pass(5)
	minted := 5 * Coin
	equal(t, "the owner's cut is paid", w.balance("cid") > cid+minted*17/100, true)
	// 41 % to w1 and w2, who are both bob's.
	inc := find(ev, "incentive")
	got := w.balance("bob") - bob
	equal(t, "bob's", got > minted*4099/10000 && got < minted*4101/10000, true)
	equal(t, "paid for work", len(inc), 2)
	equal(t, "by weight", inc[0].Amount > 2*inc[1].Amount && inc[0].Amount < 4*inc[1].Amount, true)
	equal(t, "dividends", len(find(ev, "dividend")), 3)
	if grown := w.StakeOf(1, pub("v3"), cold("cid")); grown <= stake {
		t.Errorf("who delegated has %d after an epoch, %d before", grown, stake)
	}
	lost := Amount(w.net.Height)*Coin - w.net.Emitted
	equal(t, "what splitting loses is not minted", lost <= 4*Amount(w.net.Height), true)
}
