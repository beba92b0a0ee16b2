package chain

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/protocol"
)

// dice makes random transactions of a few people, most of them sensible, some not.
type dice struct {
	m    *Machine
	roll func() uint32
}

func (d dice) n(n int) int { return int(d.roll()) % n }

func oneOf[T any](d dice, of ...T) T { return of[d.n(len(of))] }

var (
	people = []string{"ann", "bob", "cid", "dan", "eve", "fay"}
	hots   = []string{"own", "v1", "v2", "v3", "w1", "w2", "n1", "n2", "n3", "n4"}
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
func (d dice) run() Run      { return Run(d.n(6)) }

func (d dice) proof(hot, owner string) protocol.Signature {
	k := hot + " " + owner
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
	switch d.n(22) {
	case 0:
		return who, Transfer{To: d.cold(), Amount: d.amount()}
	case 1:
		return who, Identify{Hot: h, Proof: d.proof(hot, who)}
	case 2:
		return who, SetTake{Hot: h, Take: uint16(d.n(13000))}
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
		return who, CreateRun{ID: protocol.RunID{byte(d.n(256)), byte(d.n(256))}, Hot: h, Most: d.amount()}
	case 10:
		return who, Register{Run: run, Hot: h, Most: d.amount()}
	case 11, 12, 13:
		return hot, d.row(run)
	case 14:
		return hot, CommitWeights{Run: run, Digest: protocol.Digest{byte(d.n(3))}}
	case 15:
		c := SetChildren{Run: run, Hot: h}
		for range d.n(4) {
			c.List = append(c.List, Child{Hot: d.hot(), Part: uint64(d.roll()) << d.n(33)})
		}
		return who, c
	case 16:
		return who, SetChildTake{Run: run, Hot: h, Take: uint16(d.n(13000))}
	case 17:
		return who, d.evidence(hot)
	case 18:
		return who, OpenEscrow{Payee: d.cold(), Amount: d.amount(), Expires: d.m.net.Height + uint64(d.n(9))}
	case 19:
		return who, CloseEscrow{Escrow: d.m.net.Escrows - uint64(d.n(6))}
	case 20:
		return who, d.proposal(h, run)
	}
	return who, CastVote{Proposal: d.m.net.Proposals - uint64(d.n(4)), Hot: h, Yes: d.n(4) > 0}
}

func (d dice) proposal(h Hotkey, run Run) Propose {
	p := Propose{Hot: h, Run: run}
	n := len(runTable)
	if run == Root {
		n = len(networkTable)
	}
	for range d.n(3) {
		i := d.n(n)
		low, high := uint64(0), uint64(0)
		if run == Root {
			low, high = networkTable[i].low, networkTable[i].high
		} else {
			low, high = runTable[i].low, runTable[i].high
		}
		p.Changes = append(p.Changes, Change{Param: uint8(i), Value: oneOf(d, low, high, low+(high-low)/uint64(1+d.n(1000)))})
	}
	return p
}

// evidence is rare, since signatures take time.
func (d dice) evidence(hot string) Body {
	if d.n(8) > 0 {
		return Claim{Escrow: d.m.net.Escrows}
	}
	round := protocol.Round(d.n(1000))
	return Equivocation{First: says(hot, round, protocol.SheetCommit{}), Second: says(hot, round, protocol.SheetCommit{Sheet: protocol.Digest{byte(1 + d.n(200))}})}
}

// act does one step and reports whether it was taken.
func (d dice) act(t testing.TB) bool {
	if d.n(12) == 0 {
		if _, _, err := d.m.Execute(Block{Header: d.m.Next(d.m.net.Time+1, protocol.Digest{})}); err != nil {
			t.Fatalf("block %d: %v", d.m.net.Height+1, err)
		}
		return true
	}
	who, body := d.tx()
	signer := pubs[who]
	a, _ := d.m.Account(Coldkey(signer))
	_, err := d.m.perform(Tx{Signer: signer, Nonce: a.Nonce}, body)
	if errors.Is(err, ErrImbalance) {
		t.Fatalf("%s: %+v: %v", who, body, err)
	}
	return err == nil
}

// I5: supply = genesis + emitted − burned, after every transaction. Each step checks
// what it changed; the whole is added up now and then.
func TestSupplyOverRandomTransactions(t *testing.T) {
	num := 1_000_000
	if testing.Short() {
		num = 20_000
	}
	for _, market := range []bool{false, true} {
		t.Run(fmt.Sprint("market ", market), func(t *testing.T) {
			w := newWorld(t, market, func(g *Genesis) {
				g.Params.MaxRuns, g.Params.MinLock, g.Runs[0].Params.MaxUIDs = 4, uint64(Coin), 8
				g.Runs[0].Pool = min(g.Runs[0].Pool, Coin)
			})
			rng := rand.New(rand.NewPCG(1, 2))
			d := dice{w.Machine, rng.Uint32}
			taken := 0
			for i := range num / 2 {
				before := protocol.Digest{}
				if i%64 == 0 {
					before = w.Root()
				}
				ok := d.act(t)
				if ok {
					taken++
				} else if i%64 == 0 && w.Root() != before {
					t.Fatal("a refused transaction changed something")
				}
				if i%5000 == 0 {
					w.audit()
				}
			}
			w.audit()
			t.Logf("%d of %d taken, height %d, %d runs, %d records, supply %+v", taken, num/2, w.net.Height, w.net.Runs, w.store.tree.Len(), w.net)
			if taken < num/20 {
				t.Errorf("only %d of %d were taken: the dice are wrong", taken, num/2)
			}
		})
	}
}
