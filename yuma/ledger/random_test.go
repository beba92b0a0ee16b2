package ledger

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/protocol"
)

// dice makes random transactions of a few people, most of them sensible, some not.
type dice struct {
	m     *Machine
	roll  func() uint32
	taken map[Kind]int // of each kind; nil if nobody asks
}

func (d dice) n(n int) int { return int(d.roll()) % n }

func oneOf[T any](d dice, of ...T) T { return of[d.n(len(of))] }

var (
	people = []string{"ann", "bob", "cid", "dan", "eve", "fay"}
	hots   = []string{"own", "v1", "v2", "v3", "w1", "w2", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}
	pubs   = map[string]protocol.NodeID{}
	proofs = map[string]protocol.Signature{}
)

func init() {
	for _, who := range slices.Concat(people, hots) {
		pubs[who] = pub(who)
	}
}

// amount is anything: mostly what somebody may have, at times an extreme.
func (d dice) amount() Amount {
	switch d.n(12) {
	case 0:
		return oneOf(d, 0, 1, 2, ^Amount(0), 1<<63, 1<<62, 499, 500_000)
	case 1, 2:
		return Amount(d.roll())
	}
	return Amount(d.roll()) << d.n(14)
}

func (d dice) hot() Hotkey   { return pubs[oneOf(d, hots...)] }
func (d dice) cold() Coldkey { return Coldkey(pubs[oneOf(d, people...)]) }

// run is mostly one that there is.
func (d dice) run() Run {
	if d.n(8) > 0 {
		return oneOf(d, append(d.m.Runs(), Root)...)
	}
	return Run(d.n(6))
}

// owner is mostly that of a hotkey.
func (d dice) owner(h Hotkey) string {
	if id, ok := d.m.Identity(h); ok && d.n(8) > 0 {
		for _, p := range people {
			if Coldkey(pubs[p]) == id.Owner {
				return p
			}
		}
	}
	return oneOf(d, people...)
}

func (d dice) proof(hot, owner string) protocol.Signature {
	k := hot + " " + owner + d.m.net.ID.String()
	s, ok := proofs[k]
	if !ok {
		x := IdentityProof(d.m.net.ID, Coldkey(pubs[owner]))
		copy(s[:], ed25519.Sign(person(hot), x[:]))
		proofs[k] = s
	}
	return s
}

func (d dice) row(run Run) SetWeights {
	w := SetWeights{Run: run, Version: uint64(d.n(2))}
	for uid := range uint16(d.n(12)) {
		if d.n(3) > 0 {
			w.UIDs, w.Values = append(w.UIDs, uid), append(w.Values, uint16(d.roll()))
		}
	}
	return w
}

// tx returns who asks for what.
func (d dice) tx() (who string, body Body) {
	who = oneOf(d, people...)
	hot := oneOf(d, hots...)
	h, run := pubs[hot], d.run()
	owner := d.owner(h)
	switch d.n(22) {
	case 0:
		return who, Transfer{To: d.cold(), Amount: d.amount()}
	case 1:
		return who, Identify{Hot: h, Proof: d.proof(hot, who)}
	case 2:
		return owner, SetTake{Hot: h, Take: uint16(d.n(13000))}
	case 3, 4, 5:
		return who, Stake{Run: run, Hot: h, Amount: d.amount(), Least: Amount(d.n(2) * d.n(1000))}
	case 6, 7:
		return who, Unstake{Run: run, Hot: h, Units: oneOf(d, d.amount(), ^Amount(0)), Least: Amount(d.n(2) * d.n(1000))}
	case 8:
		return who, Withdraw{Run: run, Hot: h}
	case 9:
		if d.n(20) > 0 {
			return who, Transfer{To: d.cold(), Amount: d.amount()}
		}
		return owner, CreateRun{ID: protocol.RunID{byte(d.n(256)), byte(d.n(256))}, Hot: h, Most: oneOf(d, d.amount(), ^Amount(0))}
	case 10:
		return owner, Register{Run: run, Hot: h, Most: oneOf(d, d.amount(), ^Amount(0))}
	case 11, 12, 13:
		return hot, d.row(run)
	case 14:
		if hidden := hiddenRow(run, byte(d.n(3))); d.n(2) > 0 {
			return hot, hidden
		} else {
			return hot, CommitWeights{Run: run, Digest: hidden.Digest(h)}
		}
	case 15:
		c := SetChildren{Run: run, Hot: h}
		for range d.n(4) {
			c.List = append(c.List, Child{Hot: d.hot(), Part: uint64(d.roll()) << d.n(33)})
		}
		return owner, c
	case 16:
		return owner, SetChildTake{Run: run, Hot: h, Take: uint16(d.n(13000))}
	case 17:
		return d.signed(who, hot)
	case 18:
		return who, OpenEscrow{Payee: d.cold(), Amount: d.amount(), Expires: d.m.net.Height + uint64(d.n(9))}
	case 19:
		return who, CloseEscrow{Escrow: d.m.net.Escrows - uint64(d.n(6))}
	case 20:
		return owner, d.proposal(h, run)
	}
	return owner, CastVote{Proposal: d.m.net.Proposals - uint64(d.n(4)), Hot: h, Yes: d.n(4) > 0}
}

func (d dice) proposal(h Hotkey, run Run) Propose {
	p := Propose{Hot: h, Run: run}
	for range 1 + d.n(2) {
		if net := d.m.Network().Params; run == Root {
			p.Changes = append(p.Changes, roll(d, networkTable, &net))
		} else {
			rules := d.m.rules(run)
			p.Changes = append(p.Changes, roll(d, runTable, &rules))
		}
	}
	return p
}

// roll moves a parameter a little, seldom to the end of its range: too many extremes
// and nothing can be done any more.
func roll[P any](d dice, table []param[P], now *P) Change {
	i := d.n(len(table))
	e := table[i]
	v := *e.of(now)
	near := oneOf(d, v, v/2, 2*v, v+1)
	if d.n(40) == 0 {
		near = oneOf(d, e.low, e.high)
	}
	return Change{Param: uint8(i), Value: max(e.low, min(e.high, near))}
}

// hiddenRow is one of a few rows that are committed to and shown.
func hiddenRow(run Run, salt byte) RevealWeights {
	return RevealWeights{Weights: weighs(run, uint16(salt), 1, 4, 2), Salt: [16]byte{salt}}
}

// signed is what needs further signatures, and is rare since they take time.
func (d dice) signed(who, hot string) (string, Body) {
	switch d.n(12) {
	case 0:
		round := protocol.Round(d.n(1000))
		return who, Equivocation{First: says(hot, round, protocol.SheetCommit{}), Second: says(hot, round, protocol.SheetCommit{Sheet: protocol.Digest{byte(1 + d.n(200))}})}
	case 1:
		parent := receipt(protocol.Round(d.n(1000)))
		child := receipt(parent.Round + 1)
		child.Parent, child.StateRoot[0] = parent.Digest(), byte(d.n(256))
		return who, BrokenLink{Signed: says(hot, child.Round, protocol.CoSign{Receipt: child.Digest()}), Receipt: child, Parent: parent}
	case 2:
		o := Outvoted{Receipt: receipt(protocol.Round(d.n(1000)))}
		o.Other = o.Receipt
		o.Other.Outer[0]++
		o.Signed = says(hot, o.Receipt.Round, protocol.CoSign{Receipt: o.Receipt.Digest()})
		for _, h := range hots {
			if h != hot {
				o.CoSigns = append(o.CoSigns, says(h, o.Receipt.Round, protocol.CoSign{Receipt: o.Other.Digest()}))
			}
		}
		return who, o
	case 3, 4, 5:
		return d.claim(who)
	}
	return who, Claim{Escrow: d.m.net.Escrows}
}

// claim is the payee's, with a receipt for something.
func (d dice) claim(who string) (string, Body) {
	c := Claim{Escrow: d.m.net.Escrows - uint64(d.n(6)), Total: d.amount()}
	e, _ := d.m.Escrow(c.Escrow)
	c.Total = oneOf(d, c.Total, e.Amount, (e.Paid+e.Amount)/2)
	payer := who
	for _, p := range people {
		switch Coldkey(pubs[p]) {
		case e.Payee:
			who = p
		case e.Payer:
			payer = p
		}
	}
	x := PaymentReceipt(d.m.net.ID, c.Escrow, c.Total)
	copy(c.Receipt[:], ed25519.Sign(person(payer), x[:]))
	return who, c
}

// act does one step and reports whether it was taken.
func (d dice) act(t testing.TB) bool {
	if d.n(12) == 0 {
		if _, _, err := d.m.Seal(d.m.net.Time+1, protocol.Digest{}, d.n(6) == 0); err != nil {
			t.Fatalf("block %d: %v", d.m.net.Height+1, err)
		}
		return true
	}
	who, body := d.tx()
	signer := pubs[who]
	a, _ := d.m.Account(Coldkey(signer))
	_, err := d.m.unsigned(Tx{Signer: signer, Nonce: a.Nonce}, body)
	if errors.Is(err, ErrImbalance) {
		t.Fatalf("%s: %+v: %v", who, body, err)
	}
	if err == nil && d.taken != nil {
		d.taken[body.Kind()]++
	}
	return err == nil
}

// I5: supply = genesis + emitted − burned, after every transaction. Each step checks
// what it changed; the whole is added up now and then. Votes wear a world out, so
// there are many.
func TestSupplyOverRandomTransactions(t *testing.T) {
	worlds, steps := uint64(50), 20_000
	if testing.Short() {
		worlds, steps = 2, 5_000
	}
	taken, sum := map[Kind]int{}, 0
	for seed := range worlds {
		market := seed%2 == 1
		w := newWorld(t, market, secondRun(50*Coin), func(g *Genesis) {
			g.Params.MaxRuns, g.Params.MinLock, g.Runs[0].Params.MaxUIDs = 4, uint64(Coin), 8
			g.Runs[1].Params.CommitReveal = 1
			for i := range g.Runs {
				g.Runs[i].Pool = min(g.Runs[i].Pool, Coin)
			}
		})
		d := dice{w.Machine, rand.New(rand.NewPCG(seed, 2)).Uint32, taken}
		for i := range steps {
			before := protocol.Digest{}
			if i%64 == 0 {
				before = w.Root()
			}
			if !d.act(t) && i%64 == 0 && w.Root() != before {
				t.Fatal("a refused transaction changed something")
			}
			if i%5000 == 0 {
				w.audit()
			}
		}
		w.audit()
		t.Logf("seed %d, market %v: height %d, %d runs, %d records, emitted %d, burned %d",
			seed, market, w.net.Height, w.net.Runs, w.store.tree.Len(), w.net.Emitted, w.net.Burned)
	}
	for kind := 1; kind < len(bodies); kind++ {
		sum += taken[Kind(kind)]
		if taken[Kind(kind)] == 0 && !testing.Short() {
			t.Errorf("no transaction of kind %d was taken: the dice are wrong", kind)
		}
	}
	t.Logf("%d steps, %d transactions taken, by kind %v", int(worlds)*steps, sum, taken)
	if sum < int(worlds)*steps/10 {
		t.Error("too few were taken: the dice are wrong")
	}
}
