package ledger

import (
	"crypto/ed25519"
	"testing"

	"lode/protocol"
)

func networkParam(t *testing.T, name string) uint8 {
	n, ok := NetworkParam(name)
	if !ok {
		t.Fatal(name)
	}
	return n
}

func runParam(t *testing.T, name string) uint8 {
	n, ok := RunParam(name)
	if !ok {
		t.Fatal(name)
	}
	return n
}

// A proposal that passes is made by the ledger itself, after its delay.
func TestVote(t *testing.T) {
	w := newWorld(t, false)
	tempo := []Change{{Param: runParam(t, "tempo"), Value: 7}}
	w.not(ErrOwner, "bob", Propose{Hot: pub("v1"), Run: 1, Changes: tempo})
	w.not(ErrFunds, "bob", Propose{Hot: pub("w1"), Run: 1, Changes: tempo})
	w.not(ErrRange, "ann", Propose{Hot: pub("v1"), Run: 1})
	w.not(ErrUnknown, "ann", Propose{Hot: pub("v1"), Run: 1, Changes: []Change{{Param: 200}}})
	w.not(ErrRange, "ann", Propose{Hot: pub("v1"), Run: 1, Changes: []Change{{Param: runParam(t, "yuma"), Value: 4}}})
	w.not(ErrRange, "ann", Propose{Hot: pub("v1"), Run: 1, Changes: []Change{{Param: runParam(t, "max_uids"), Value: 4}}})
	w.do("ann", Propose{Hot: pub("v1"), Run: 1, Changes: tempo})
	w.not(ErrDuplicate, "ann", Propose{Hot: pub("v1"), Run: 1, Changes: tempo})
	w.not(ErrUnknown, "ann", CastVote{Proposal: 2, Hot: pub("v1"), Yes: true})
	w.not(ErrFunds, "bob", CastVote{Proposal: 1, Hot: pub("w1"), Yes: true})
	w.do("bob", Stake{Run: 1, Hot: pub("w1"), Amount: Coin / 2})
	w.not(ErrFunds, "bob", CastVote{Proposal: 1, Hot: pub("w1"), Yes: true}) // half of 600 in a thousand is not enough
	w.do("ann", CastVote{Proposal: 1, Hot: pub("v1")})
	w.do("ann", CastVote{Proposal: 1, Hot: pub("v1"), Yes: true}) // thought better of it
	w.do("ann", CastVote{Proposal: 1, Hot: pub("v3"), Yes: true})
	equal(t, "passed", len(find(w.pass(7), "passed")), 1)
	w.not(ErrClosed, "ann", CastVote{Proposal: 1, Hot: pub("v2")})
	equal(t, "not yet", w.rules(1).Tempo, 5)
	equal(t, "executed", len(find(w.pass(4), "executed")), 1)
	equal(t, "tempo", w.rules(1).Tempo, 7)
	w.not(ErrUnknown, "ann", CastVote{Proposal: 1, Hot: pub("v2")})
	w.do("ann", Propose{Hot: pub("v1"), Run: 1, Changes: tempo}) // again
}

func TestVoteFails(t *testing.T) {
	change := func(t *testing.T) []Change { return []Change{{Param: networkParam(t, "owner_cut"), Value: 1}} }
	for name, c := range map[string]struct {
		act  func(w world)
		want string
	}{
		"no votes": {func(world) {}, "rejected"},
		"no quorum": {func(w world) {
			w.do("ann", Stake{Run: 1, Hot: pub("v3"), Amount: 1000 * Coin})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v1"), Yes: true})
		}, "rejected"},
		"half": {func(w world) {
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v3"), Yes: true})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v1")})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v2")})
		}, "rejected"},
		"majority": {func(w world) {
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v3"), Yes: true})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v2")})
		}, "passed"},
		"late stake": {func(w world) { // 100 yes against 200 no; what comes after the vote does not count
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v1"), Yes: true})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v2")})
			w.do("ann", Stake{Run: 1, Hot: pub("v1"), Amount: 1000 * Coin})
		}, "rejected"},
		"moved stake": {func(w world) { // the same stake cannot vote twice
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v3"), Yes: true})
			w.do("ann", Unstake{Run: 1, Hot: pub("v3"), Units: ^Amount(0)})
			w.do("ann", Stake{Run: 1, Hot: pub("v1"), Amount: 50 * Coin})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v1"), Yes: true})
			w.do("ann", CastVote{Proposal: 1, Hot: pub("v2")})
		}, "rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false, func(g *Genesis) { g.Runs[0].Params.Tempo = 0 })
			w.do("ann", Propose{Hot: pub("v1"), Run: Root, Changes: change(t)})
			c.act(w)
			ev := w.pass(7)
			equal(t, c.want, len(find(ev, c.want)), 1)
			if n := len(w.store.ids(votes.prefix())); n != 0 {
				t.Errorf("%d votes are left", n)
			}
		})
	}
}

// What can no longer be done when its time comes fails, and nothing happens.
func TestVoteOvertaken(t *testing.T) {
	w := newWorld(t, false)
	w.do("ann", Propose{Hot: pub("v1"), Run: 1, Changes: []Change{{Param: runParam(t, "max_uids"), Value: 5}}})
	w.do("ann", CastVote{Proposal: 1, Hot: pub("v3"), Yes: true})
	w.pass(7)
	w.do("bob", Identify{Hot: pub("n1"), Proof: proof(w, "n1", "bob")})
	w.do("bob", Register{Run: 1, Hot: pub("n1"), Most: Coin})
	equal(t, "failed", len(find(w.pass(4), "failed")), 1)
	equal(t, "room", w.rules(1).MaxUIDs, 256)
}

func TestEscrow(t *testing.T) {
	w := newWorld(t, false)
	pay := func(by string, escrow uint64, total Amount) Claim {
		c := Claim{Escrow: escrow, Total: total}
		d := PaymentReceipt(w.net.ID, escrow, total)
		copy(c.Receipt[:], ed25519.Sign(person(by), d[:]))
		return c
	}
	w.not(ErrSelf, "ann", OpenEscrow{Payee: cold("ann"), Amount: Coin, Expires: 9})
	w.not(ErrExpired, "ann", OpenEscrow{Payee: cold("bob"), Amount: Coin})
	w.not(ErrDust, "ann", OpenEscrow{Payee: cold("bob"), Amount: 1, Expires: 9})
	w.not(ErrFunds, "ann", OpenEscrow{Payee: cold("bob"), Amount: rich + 1, Expires: 9})
	w.do("ann", OpenEscrow{Payee: cold("bob"), Amount: 10 * Coin, Expires: 9, Terms: protocol.Digest{1}})
	w.not(ErrSignature, "bob", pay("bob", 1, Coin))
	w.not(ErrUnknown, "bob", pay("ann", 2, Coin))
	w.not(ErrOwner, "cid", pay("ann", 1, Coin))
	w.not(ErrFunds, "bob", pay("ann", 1, 11*Coin))
	w.do("bob", pay("ann", 1, 3*Coin))
	w.not(ErrDuplicate, "bob", pay("ann", 1, 3*Coin))
	w.not(ErrDuplicate, "bob", pay("ann", 1, 2*Coin))
	w.do("bob", pay("ann", 1, 4*Coin))
	equal(t, "bob", w.balance("bob"), rich+4*Coin)
	w.not(ErrEarly, "ann", CloseEscrow{Escrow: 1})
	w.not(ErrOwner, "cid", CloseEscrow{Escrow: 1})
	w.pass(9)
	had := w.balance("ann")
	w.do("ann", CloseEscrow{Escrow: 1})
	equal(t, "ann", w.balance("ann"), had+6*Coin)
	w.not(ErrUnknown, "ann", CloseEscrow{Escrow: 1})
	w.do("ann", OpenEscrow{Payee: cold("bob"), Amount: Coin, Expires: 99})
	w.do("bob", CloseEscrow{Escrow: 2}) // the payee at any time
}
