package ledger

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lode/protocol"
	"lode/yuma/economy"
)

// Shares are worth what the pool has, floored; nobody takes out more than he has, and
// the last takes all.
func TestPool(t *testing.T) {
	var p Pool
	a, _ := p.add(1000)
	b, _ := p.add(500)
	equal(t, "a", p.worth(a), 1000)
	p.Units += 100 // a dividend
	equal(t, "a grown", p.worth(a), 1066)
	equal(t, "b grown", p.worth(b), 533)
	a -= p.take(1, a)
	equal(t, "a lost a share, no less", p.worth(a) >= 1065, true)
	p.Units /= 7 // slashed
	b -= p.take(p.worth(b), b)
	equal(t, "b is out", b, 0)
	a -= p.take(p.worth(a), a)
	equal(t, "empty", p, Pool{})
	equal(t, "a is out", a, 0)

	dear := Pool{Units: 1 << 40, Shares: 1}
	if _, err := dear.add(1 << 39); err == nil {
		t.Error("units that buy no share were taken")
	}
	cheap := Pool{Units: 1, Shares: 1 << 40}
	if _, err := cheap.add(1 << 40); err == nil {
		t.Error("shares overflow")
	}
	lost := Pool{Shares: 5}
	if _, err := lost.add(5); err == nil {
		t.Error("a pool that lost all was added to")
	}
}

// Against fractions: what one has differs from his fair part by what rounding can move,
// a share for each step, and all together never have more than there is.
func TestPoolAgainstFractions(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		var p Pool
		held, fair := make([]uint64, 4), make([]float64, 4)
		dearest := 1.0
		for step := range 60 {
			i := rng.IntN(4)
			units := Amount(1000 + rng.Uint64N(1e9))
			switch rng.IntN(5) {
			case 0, 1:
				if shares, err := p.add(units); err == nil {
					held[i] += shares
					fair[i] += float64(units)
				}
			case 2:
				units = min(units, p.worth(held[i]))
				held[i] -= p.take(units, held[i])
				fair[i] = max(0, fair[i]-float64(units))
			default: // a dividend of a tenth or a loss of an eighth
				before := float64(p.Units)
				p.Units += p.Units/10 - p.Units/8*Amount(rng.IntN(2))
				for j := range fair {
					if before > 0 {
						fair[j] *= float64(p.Units) / before
					}
				}
			}
			if p.Shares > 0 {
				dearest = max(dearest, float64(p.Units)/float64(p.Shares))
			}
			var sum Amount
			for j := range held {
				worth := p.worth(held[j])
				sum += worth
				if off := math.Abs(float64(worth) - fair[j]); off > 2*dearest*float64(step+1) {
					t.Fatalf("step %d: %d has %d, fair is %.1f", step, j, worth, fair[j])
				}
			}
			if sum > p.Units {
				t.Fatalf("step %d: %d of %d", step, sum, p.Units)
			}
		}
	}
}

// The first to stake cannot make shares so dear that the next one's are rounded away.
func TestInflatedPool(t *testing.T) {
	w := newWorld(t, false)
	w.do("bob", Stake{Run: 1, Hot: pub("w1"), Amount: 500_000})
	w.not(ErrDust, "bob", Unstake{Run: 1, Hot: pub("w1"), Units: 499_999})
	w.do("ann", Stake{Run: 1, Hot: pub("w1"), Amount: 700_001})
	equal(t, "ann's", w.StakeOf(1, pub("w1"), cold("ann")), 700_001)
}

// secondRun founds a run beside the first, with so much stake.
func secondRun(stake Amount) func(*Genesis) {
	return func(g *Genesis) {
		second := g.Runs[0]
		second.ID[0]++
		g.Runs = append(g.Runs, second)
		g.Seats = append(g.Seats, Seat{Hot: pub("v1"), Cold: cold("ann"), Run: 2, Stake: stake, Place: true})
	}
}

// One epoch a block: the other waits for the next.
func TestEpochsTakeTurns(t *testing.T) {
	w := newWorld(t, false, secondRun(Coin), func(g *Genesis) { g.Params.MaxEpochs = 1 })
	w.pass(3)
	var at []uint64
	for range 12 {
		for range find(w.pass(1), "epoch") {
			at = append(at, w.net.Height)
		}
	}
	// Run 2 started at height −2 mod 5, cut off at 0: both are due at 5.
	want := []uint64{5, 6, 10, 11, 15}
	equal(t, "epochs", len(at), len(want))
	for i := range want {
		equal(t, "epoch", at[i], want[i])
	}
}

func TestRunsShareByStake(t *testing.T) {
	w := newWorld(t, false, secondRun(200*Coin)) // 600 on the first
	w.pass(1)
	one, _ := w.run(1)
	two, _ := w.run(2)
	equal(t, "three times", one.owed()/1000, 3*two.owed()/1000)
	equal(t, "all that is minted", w.net.Emitted, one.owed()+two.owed())
}

// A run that is closed mints nothing, and neither does a network without stake.
func TestNoEmission(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Runs[0].Params.Open = 0 })
	w.pass(3)
	equal(t, "emitted", w.net.Emitted, 0)
	w.not(ErrClosed, "cid", Register{Run: 1, Hot: pub("own"), Most: Coin})
	w = newWorld(t, false, func(g *Genesis) { g.Seats = g.Seats[:1] })
	w.pass(3)
	equal(t, "emitted", w.net.Emitted, 0)
}

// The emission halves as the supply nears the cap and never passes it.
func TestHalvingToTheCap(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Cap = 400_600 * Coin; g.Params.Emission = 20_000 * uint64(Coin) })
	var last Amount
	for range 40 {
		had := w.issued()
		want := Amount(economy.Emission(uint64(w.net.Cap), w.net.Params.Emission, uint64(had)))
		w.pass(1)
		last = w.issued() - had
		equal(t, "minted", want-last <= 4, true)
	}
	equal(t, "little is left", w.issued() < w.net.Cap && last < 20_000*Coin>>3, true)
}

func TestOwnerIncentiveIsBurned(t *testing.T) {
	for _, market := range []bool{false, true} {
		w := newWorld(t, market, func(g *Genesis) {
			g.Params.PriceRate, g.Params.PriceHalving = 500_000_000, 1
			g.Seats[0].Place = true
		})
		w.pass(1)
		for _, v := range validators {
			w.do(v, weighs(1, 0, 1, 4, 1))
		}
		w.pass(4)
		before := w.net.Burned
		had, _ := w.run(1)
		ev := w.pass(5)
		equal(t, "paid for work", len(find(ev, "incentive")), 1)
		now, _ := w.run(1)
		if market {
			equal(t, "fewer units", now.Issued < had.Issued+2*5*Coin, true)
		} else {
			equal(t, "burned", w.net.Burned-before > 5*Coin*20/100, true)
		}
	}
}

// A parent is paid by its child, which keeps its take.
func TestChildDividends(t *testing.T) {
	w := newWorld(t, false)
	w.pass(1)
	w.do("bob", Stake{Run: 1, Hot: pub("w2"), Amount: 400 * Coin})
	w.do("bob", SetChildren{Run: 1, Hot: pub("w2"), List: []Child{{Hot: pub("v1"), Part: ^uint64(0)}}})
	w.do("ann", SetChildTake{Run: 1, Hot: pub("v1"), Take: 6553})
	w.pass(5)
	for _, v := range validators {
		w.do(v, weighs(1, 3, 1))
	}
	w.pass(5)
	ev := find(w.pass(5), "dividend")
	by := map[Hotkey]Amount{}
	for _, e := range ev {
		by[e.Hot] += e.Amount
	}
	equal(t, "the parent is paid", by[pub("w2")] > 0, true)
	// v1 votes with 500 of 1000: its own 100 and 400 lent, of which it keeps a tenth.
	ratio := float64(by[pub("w2")]) / float64(by[pub("v1")])
	equal(t, "by what it lends, less the take", ratio > 2.3 && ratio < 2.9, true)
}

// Root stake earns on every run, in coin.
func TestRootDividends(t *testing.T) {
	for _, market := range []bool{false, true} {
		w := newWorld(t, market, func(g *Genesis) {
			g.Params.PriceRate, g.Params.PriceHalving = 1_000_000_000, 0
			second := g.Runs[0]
			second.ID[0]++
			g.Runs = append(g.Runs, second) // so that prices pass one coin
		})
		w.do("bob", Stake{Run: Root, Hot: pub("v3"), Amount: 5000 * Coin})
		w.pass(1)
		for _, v := range validators {
			w.do(v, weighs(1, 3, 1))
		}
		w.pass(12)
		got := w.StakeOf(Root, pub("v3"), cold("bob"))
		if got <= 5000*Coin {
			t.Errorf("market %v: root stake of %d after two epochs", market, got)
		}
	}
}

// Whoever makes the block decides the order; these are what that cannot change.
func TestOrderOfBlock(t *testing.T) {
	for _, swap := range []bool{false, true} {
		w := newWorld(t, false)
		txs := []Tx{
			w.tx("ann", Transfer{To: cold("dan"), Amount: Coin}),
			Sign(person("ann"), w.net.ID, 1, 0, Transfer{To: cold("eve"), Amount: 2 * Coin}),
			w.tx("bob", Transfer{To: cold("ann"), Amount: Coin}),
		}
		if swap {
			txs[0], txs[2] = txs[2], txs[0]
			txs[1], txs[2] = txs[2], txs[1]
		}
		if _, _, err := w.Execute(Block{Header: w.Next(1, protocol.Digest{}), Txs: txs}); err != nil {
			t.Fatal(err)
		}
		equal(t, "ann", w.balance("ann"), rich-2*Coin)
		equal(t, "dan", w.balance("dan"), Coin)
	}
}

// Who lends to whom is bounded, so that nobody can make an epoch slow for a little stake.
func TestTooManyParents(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) {
		for i := range maxParents + 1 {
			g.Seats = append(g.Seats, Seat{Hot: pub(fmt.Sprint("p", i)), Cold: cold("ann"), Run: 1, Stake: Coin})
		}
	})
	w.pass(1)
	lend := func(i int) SetChildren {
		return SetChildren{Run: 1, Hot: pub(fmt.Sprint("p", i)), List: []Child{{Hot: pub("w1"), Part: 1 << 62}}}
	}
	for i := range maxParents - 1 {
		w.do("ann", lend(i))
	}
	w.pass(5)
	w.do("ann", lend(maxParents-1))
	w.do("ann", lend(maxParents))
	w.pass(5)
	equal(t, "parents", len(w.parentsOf(1, pub("w1"))), maxParents)
	for i := range maxParents + 1 {
		if w.lends(1, pub(fmt.Sprint("p", i)), pub("w1")) {
			w.do("ann", lend(i)) // again
		} else {
			w.not(ErrFull, "ann", lend(i))
		}
	}
}

// What was said on a run that somebody else opened with the same manifest is no offence
// of who has no place there.
func TestStrangersRun(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Seats[1].Place = false })
	e := Equivocation{First: says("v1", 1, protocol.SheetCommit{Sheet: protocol.Digest{1}}), Second: says("v1", 1, protocol.SheetCommit{})}
	w.not(ErrUnknown, "bob", e)
}

// With current permits stake decides at once who votes.
func TestCurrentPermits(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) { g.Runs[0].Params.CurrentPermits = 1 })
	w.pass(1)
	w.do("bob", Stake{Run: 1, Hot: pub("w2"), Amount: 5000 * Coin})
	w.do("w2", weighs(1, 3, 1))
	w.pass(4)
	equal(t, "the new stake decides", w.Neurons(1)[3].Incentive, 65535)
}

// A run among friends: nobody needs coin to join it, and who is away does not vote.
func TestFreeRun(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) {
		g.Params.IdentityFee = 0
		r := &g.Runs[0].Params
		r.MinPrice, r.MaxPrice, r.ActivityFactor, r.CurrentPermits, r.MaxUIDs = 0, 0, 1000, 1, 7
	})
	w.not(ErrUnknown, "new", Register{Run: 1, Hot: pub("new")})
	w.do("new", Identify{Hot: pub("new"), Proof: proof(w, "new", "new")}) // cold and hot in one
	w.do("new", Register{Run: 1, Hot: pub("new")})
	w.do("late", Identify{Hot: pub("late"), Proof: proof(w, "late", "late")})
	w.do("late", Register{Run: 1, Hot: pub("late")})
	for epoch := range 4 {
		w.pass(4)
		w.do("v1", weighs(1, 5, 2, 3, 1))
		if epoch == 0 { // then v2 and v3, with most of the stake, are gone
			w.do("v2", weighs(1, 4, 1))
			w.do("v3", weighs(1, 4, 1))
		}
		w.pass(1)
	}
	equal(t, "the newcomer is paid", w.balance("new") > 13*Coin/5, true)
	equal(t, "nothing was burned", w.net.Burned, 0)
	// v3, away, still has its place; an idle worker gives its own to a newcomer.
	w.pass(10)
	w.do("next", Identify{Hot: pub("next"), Proof: proof(w, "next", "next")})
	w.do("next", Register{Run: 1, Hot: pub("next")})
	if _, err := w.uidOf(1, pub("v1")); err != nil {
		t.Error(err)
	}
}

// Where stake keeps places, who has none goes; the view tells before it happens.
func TestKeepStaked(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) {
		g.Params.IdentityFee = 0
		r := &g.Runs[0].Params
		r.MinPrice, r.MaxPrice, r.MaxUIDs, r.Immunity, r.MinFree, r.KeepStaked = 0, 0, 6, 3, 0, 1
	})
	if _, ok := w.Weakest(1); ok {
		t.Fatal("somebody is to go while places are free")
	}
	w.do("new", Identify{Hot: pub("new"), Proof: proof(w, "new", "new")})
	w.do("new", Register{Run: 1, Hot: pub("new")})
	w.do("next", Identify{Hot: pub("next"), Proof: proof(w, "next", "next")})
	w.pass(1)
	w.do("bob", Stake{Run: 1, Hot: pub("w1"), Amount: Coin})
	w.pass(2)
	n, ok := w.Weakest(1)
	equal(t, "weakest", n.Hot, pub("w2"))
	w.do("next", Register{Run: 1, Hot: pub("next")})
	if _, still := w.UID(1, pub("w2")); !ok || still {
		t.Error("another went")
	}
	equal(t, "due", w.EpochDue(1), false)
	w.pass(1)
	equal(t, "due", w.EpochDue(1), true)
}

// Coin of a bound account is staked or stays.
func TestBound(t *testing.T) {
	w := newWorld(t, false, func(g *Genesis) {
		g.Grants = append(g.Grants, Grant{Cold: cold("treasury"), Balance: 100 * Coin, Bound: true})
	})
	w.not(ErrClosed, "treasury", Transfer{To: cold("bob"), Amount: Coin})
	w.not(ErrClosed, "treasury", OpenEscrow{Payee: cold("bob"), Amount: Coin})
	w.do("treasury", Stake{Run: 1, Hot: pub("v1"), Amount: 60 * Coin})
	w.not(ErrClosed, "treasury", Unstake{Run: 1, Hot: pub("v1"), Units: Coin})
	w.not(ErrFunds, "treasury", Stake{Run: 1, Hot: pub("v1"), Amount: 60 * Coin})
	equal(t, "left", w.balance("treasury"), 40*Coin)
}

// What readers of the state compute is what the machine does.
func TestWorthForReaders(t *testing.T) {
	w := newWorld(t, true)
	r, rules, _ := w.Run(1)
	for _, units := range []Amount{0, 1, 7, Coin, 999 * Coin, maxAmount} {
		equal(t, "worth", r.Worth(units), w.Worth(1, units))
	}
	p, _ := load[Pool](&w.store, pools.key(Run(1).bytes(), w.Neurons(1)[0].Hot[:]))
	equal(t, "all shares", p.Worth(p.Shares), p.Units)
	equal(t, "more than all", p.Worth(p.Shares+1), 0)
	for i, s := range rules.Settings() {
		n, ok := RunParam(s.Name)
		equal(t, s.Name, int(n), i)
		equal(t, s.Name, ok && s.Low <= s.Value && s.Value <= s.High, true)
	}
	equal(t, "network's", w.Network().Params.Settings()[0], Setting{"emission", uint64(Coin), 0, maxAmount})
}
