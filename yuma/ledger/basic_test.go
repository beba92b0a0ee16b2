package ledger

import (
	"crypto/ed25519"
	"testing"

	"lode/protocol"
)

func proof(w world, hot, owner string) (s protocol.Signature) {
	d := IdentityProof(w.net.ID, cold(owner))
	copy(s[:], ed25519.Sign(person(hot), d[:]))
	return s
}

func TestTransfer(t *testing.T) {
	w := newWorld(t, false)
	w.do("ann", Transfer{To: cold("dan"), Amount: 5 * Coin})
	equal(t, "dan", w.balance("dan"), 5*Coin)
	equal(t, "ann", w.balance("ann"), rich-5*Coin)
	w.do("dan", Transfer{To: cold("ann"), Amount: 5 * Coin}) // all of it
	equal(t, "dan", w.balance("dan"), 0)

	w.not(ErrFunds, "ann", Transfer{To: cold("dan"), Amount: rich + 1})
	w.not(ErrFunds, "ann", Transfer{To: cold("dan"), Amount: ^Amount(0)})
	w.not(ErrDust, "ann", Transfer{To: cold("dan")})
	w.not(ErrDust, "ann", Transfer{To: cold("dan"), Amount: 499})
	w.not(ErrDust, "ann", Transfer{To: cold("dan"), Amount: rich - 1})
	w.not(ErrSelf, "ann", Transfer{To: cold("ann"), Amount: Coin})
	w.not(ErrUnknown, "eve", Transfer{To: cold("ann"), Amount: Coin})
}

// A transaction is taken once, in the signer's order, on one network, in its time,
// and only as it was signed.
func TestSignedOnce(t *testing.T) {
	w := newWorld(t, false)
	body := Transfer{To: cold("dan"), Amount: Coin}
	first := w.tx("ann", body)
	if _, err := w.Apply(first); err != nil {
		t.Fatal(err)
	}
	w.refuse(ErrNonce, first)
	w.refuse(ErrNonce, Sign(person("ann"), w.net.ID, 2, 0, body))
	other := newWorld(t, false, func(g *Genesis) { g.Name = "other" })
	w.refuse(ErrNetwork, Sign(person("ann"), other.net.ID, 1, 0, body))
	w.pass(3)
	w.refuse(ErrExpired, Sign(person("ann"), w.net.ID, 1, 2, body))

	good := Sign(person("ann"), w.net.ID, 1, 3, body)
	for name, forge := range map[string]func(*Tx){
		"signer":    func(t *Tx) { t.Signer = pub("bob") },
		"nonce":     func(t *Tx) { t.Nonce++ },
		"until":     func(t *Tx) { t.Until = 0 },
		"kind":      func(t *Tx) { t.Type = 4 },
		"body":      func(t *Tx) { t.Body = protocol.Encode(Transfer{To: cold("eve"), Amount: Coin}) },
		"signature": func(t *Tx) { t.Sig[0] ^= 1 },
	} {
		bad := good
		forge(&bad)
		t.Run(name, func(t *testing.T) { world{w.Machine, t}.refuse(ErrSignature, bad) })
	}
	good.Version++
	w.refuse(ErrMalformed, good)
	unknown := Tx{Version: Version, Network: w.net.ID, Signer: pub("ann"), Nonce: 1, Type: 200}
	d := unknown.signed()
	copy(unknown.Sig[:], ed25519.Sign(person("ann"), d[:]))
	w.refuse(ErrMalformed, unknown)
}

func TestKinds(t *testing.T) {
	for i, read := range bodies {
		if read == nil {
			continue
		}
		// Every body is a list, whose zero value reads back from itself.
		body, _ := read(nil)
		again, err := read(protocol.Encode(body))
		if err != nil || int(again.Kind()) != i {
			t.Errorf("kind %d: %T, %v", i, again, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	w := newWorld(t, false)
	w.not(ErrSignature, "bob", Identify{Hot: pub("new"), Proof: proof(w, "new", "ann")}) // seen on its way and copied
	w.do("ann", Identify{Hot: pub("new"), Proof: proof(w, "new", "ann")})
	fee := Amount(w.net.Params.IdentityFee)
	equal(t, "burned", w.net.Burned, fee)
	equal(t, "ann", w.balance("ann"), rich-fee)
	w.not(ErrDuplicate, "ann", Identify{Hot: pub("new"), Proof: proof(w, "new", "ann")})

	w.do("ann", SetTake{Hot: pub("new"), Take: 100})
	w.not(ErrEarly, "ann", SetTake{Hot: pub("new"), Take: 101})
	w.not(ErrOwner, "bob", SetTake{Hot: pub("new"), Take: 1})
	w.not(ErrRange, "ann", SetTake{Hot: pub("new"), Take: 11797})
	w.pass(10)
	w.do("ann", SetTake{Hot: pub("new"), Take: 101})
}

func TestStakeAndUnbonding(t *testing.T) {
	w := newWorld(t, false)
	w.do("bob", Stake{Run: 1, Hot: pub("v1"), Amount: 50 * Coin})
	equal(t, "bob's stake", w.StakeOf(1, pub("v1"), cold("bob")), 50*Coin)
	equal(t, "v1", w.Staked(1, pub("v1")), 150*Coin)
	w.not(ErrFunds, "bob", Unstake{Run: 1, Hot: pub("v1"), Units: 51 * Coin})
	w.not(ErrUnknown, "bob", Unstake{Run: Root, Hot: pub("v1"), Units: Coin})
	w.not(ErrUnknown, "bob", Unstake{Run: 1, Hot: pub("v2"), Units: Coin})
	w.not(ErrDust, "bob", Unstake{Run: 1, Hot: pub("v1"), Units: 50*Coin - 1})
	w.not(ErrDust, "bob", Unstake{Run: 1, Hot: pub("v1")})
	w.not(ErrDust, "bob", Stake{Run: 1, Hot: pub("v2"), Amount: 499_999})
	w.not(ErrUnknown, "bob", Stake{Run: 9, Hot: pub("v2"), Amount: Coin})
	w.not(ErrUnknown, "bob", Stake{Run: 1, Hot: pub("nobody"), Amount: Coin})

	w.do("bob", Unstake{Run: 1, Hot: pub("v1"), Units: 20 * Coin})
	w.not(ErrEarly, "bob", Withdraw{Run: 1, Hot: pub("v1")})
	w.pass(4)
	w.do("bob", Unstake{Run: 1, Hot: pub("v1"), Units: ^Amount(0)}) // waits again, with the rest
	w.pass(4)
	w.not(ErrEarly, "bob", Withdraw{Run: 1, Hot: pub("v1")})
	w.pass(1)
	w.do("bob", Withdraw{Run: 1, Hot: pub("v1")})
	w.not(ErrUnknown, "bob", Withdraw{Run: 1, Hot: pub("v1")})
	if got := w.balance("bob"); got < rich {
		t.Errorf("bob has %d, he staked and came back", got)
	}
}

func TestChildrenRules(t *testing.T) {
	w := newWorld(t, false)
	set := func(h string, list ...Child) SetChildren { return SetChildren{Run: 1, Hot: pub(h), List: list} }
	const half = 1 << 63
	w.not(ErrSelf, "ann", set("v1", Child{Hot: pub("v1"), Part: 1}))
	w.not(ErrRange, "ann", set("v1", Child{Hot: pub("v2")}))
	w.not(ErrDuplicate, "ann", set("v1", Child{Hot: pub("v2"), Part: 1}, Child{Hot: pub("v2"), Part: 1}))
	w.not(ErrRange, "ann", set("v1", Child{Hot: pub("v2"), Part: half}, Child{Hot: pub("v3"), Part: half}))
	w.not(ErrUnknown, "ann", set("v1", Child{Hot: pub("nobody"), Part: 1}))
	w.not(ErrOwner, "bob", set("v1", Child{Hot: pub("v2"), Part: 1}))
	w.not(ErrFunds, "bob", set("w1", Child{Hot: pub("v2"), Part: 1}))
	w.pass(1)
	w.do("ann", set("v1", Child{Hot: pub("w1"), Part: half}))
	w.not(ErrEarly, "ann", set("v1"))
	equal(t, "before it counts", w.Voting(1, pub("w1")), 0)
	w.pass(9) // the cooldown and the run's epoch
	equal(t, "lent", w.Voting(1, pub("w1")) > 40*uint64(Coin), true)
	w.do("bob", Stake{Run: 1, Hot: pub("w1"), Amount: Coin})
	w.not(ErrDuplicate, "bob", set("w1", Child{Hot: pub("v1"), Part: 1}))
	w.do("ann", set("v1"))
	w.pass(5)
	equal(t, "taken back", w.Voting(1, pub("w1")), uint64(w.Staked(1, pub("w1"))))
	w.do("bob", SetChildTake{Run: 1, Hot: pub("w1"), Take: 9})
	w.not(ErrEarly, "bob", SetChildTake{Run: 1, Hot: pub("w1"), Take: 10})
}
