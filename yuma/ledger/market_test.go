package ledger

import "testing"

// With a market stake is bought from a pool and sold to it; who buys pays the price
// and what he moves it by.
func TestMarket(t *testing.T) {
	w := newWorld(t, true)
	r, _ := w.run(1)
	equal(t, "coin", r.Coin, 1000*Coin)
	equal(t, "units", r.Alpha, 1000*Coin)
	w.not(ErrPrice, "bob", Stake{Run: 1, Hot: pub("v1"), Amount: 100 * Coin, Least: 100 * Coin})
	w.do("bob", Stake{Run: 1, Hot: pub("v1"), Amount: 100 * Coin, Least: 90 * Coin})
	got := w.StakeOf(1, pub("v1"), cold("bob"))
	in := 100*Coin - 100*Coin*33/65535
	equal(t, "product", mulDiv(1000*Coin, uint64(in), uint64(1000*Coin+in)), got)

	// Nobody gains by going in and out.
	w.do("bob", Unstake{Run: 1, Hot: pub("v1"), Units: ^Amount(0)})
	w.pass(5)
	w.not(ErrPrice, "ann", Unstake{Run: 1, Hot: pub("v1"), Units: 50 * Coin, Least: 50 * Coin})
	w.do("bob", Withdraw{Run: 1, Hot: pub("v1")})
	if b := w.balance("bob"); b >= rich {
		t.Errorf("bob made %d by trading with himself", b-rich)
	}
}

// A trade before somebody else's costs him no more than he allowed.
func TestSandwich(t *testing.T) {
	w := newWorld(t, true)
	w.do("bob", Stake{Run: 1, Hot: pub("v1"), Amount: 500 * Coin}) // seen ann's coming
	w.not(ErrPrice, "ann", Stake{Run: 1, Hot: pub("v1"), Amount: 100 * Coin, Least: 90 * Coin})
}

// Coin goes into pools by average price; units are paid to people; a registration
// takes units out of existence.
func TestMarketEmission(t *testing.T) {
	w := newWorld(t, true, func(g *Genesis) { g.Params.PriceRate, g.Params.PriceHalving = 500_000_000, 1 })
	w.pass(1)
	for _, v := range validators {
		w.do(v, weighs(1, 3, 30, 4, 10))
	}
	before, _ := w.run(1)
	w.pass(9)
	after, _ := w.run(1)
	equal(t, "all coin goes into the pool", after.Coin, before.Coin+9*Coin)
	if w.StakeOf(1, pub("w1"), cold("bob")) == 0 {
		t.Error("nobody was paid in the run's own coin")
	}
	w.do("ann", Stake{Run: Root, Hot: pub("v1"), Amount: 1000 * Coin})
	w.do("ann", Identify{Hot: pub("n1"), Proof: proof(w, "n1", "ann")})
	issued := func() Amount { r, _ := w.run(1); return r.Issued }
	had := issued()
	w.do("ann", Register{Run: 1, Hot: pub("n1"), Most: Coin})
	if issued() >= had {
		t.Error("a place cost no units")
	}
	w.pass(10)
}
