package ledger

import (
	"testing"

	"lode/protocol"
)

func says(who string, round protocol.Round, body protocol.Body) protocol.Message {
	return protocol.Sign(person(who), runID, round, body)
}

func receipt(round protocol.Round) protocol.Receipt {
	return protocol.Receipt{Version: protocol.Version, Run: runID, Round: round, Parent: protocol.Digest{9}, Model: protocol.Digest{byte(round)}, Size: 1}
}

// Who signs two lists, two sheets or two receipts of a round loses a share of all stake
// on the hotkey, once for a round; what differs in how it travels is no offence.
func TestEquivocation(t *testing.T) {
	a, b := receipt(3), receipt(3)
	b.Model[5] = 1
	travels := a
	travels.Payload, travels.Size = protocol.Digest{4}, 99
	signs := func(who string, r protocol.Receipt) protocol.Message {
		return says(who, r.Round, protocol.CoSign{Receipt: r.Digest()})
	}
	pair := func(first, second protocol.Message, receipts ...protocol.Receipt) Equivocation {
		return Equivocation{First: first, Second: second, Receipts: receipts}
	}
	forged := signs("v1", b)
	forged.Sig[3] ^= 1
	for name, c := range map[string]struct {
		e    Equivocation
		want error
	}{
		"two lists":         {pair(says("v1", 1, protocol.ListSignature{List: protocol.Digest{1}}), says("v1", 1, protocol.ListSignature{List: protocol.Digest{2}})), nil},
		"two sheets":        {pair(says("v1", 1, protocol.SheetCommit{Sheet: protocol.Digest{1}}), says("v1", 1, protocol.SheetCommit{Sheet: protocol.Digest{2}})), nil},
		"two receipts":      {pair(signs("v1", a), signs("v1", b), a, b), nil},
		"proposed, signed":  {pair(says("v1", 3, protocol.Proposal{Receipt: a}), signs("v1", b), a, b), nil},
		"the same twice":    {pair(says("v1", 1, protocol.ListSignature{}), says("v1", 1, protocol.ListSignature{})), ErrEvidence},
		"other payload":     {pair(signs("v1", a), signs("v1", travels), a, travels), ErrEvidence},
		"receipts unshown":  {pair(signs("v1", a), signs("v1", b)), ErrEvidence},
		"others' receipts":  {pair(signs("v1", a), signs("v1", travels), a, b), ErrEvidence},
		"two nodes":         {pair(signs("v1", a), signs("v2", b), a, b), ErrEvidence},
		"two rounds":        {pair(says("v1", 1, protocol.SheetCommit{Sheet: protocol.Digest{1}}), says("v1", 2, protocol.SheetCommit{Sheet: protocol.Digest{2}})), ErrEvidence},
		"forged":            {pair(signs("v1", a), forged, a, b), ErrEvidence},
		"kinds":             {pair(says("v1", 1, protocol.SheetCommit{}), says("v1", 1, protocol.ListSignature{})), ErrEvidence},
		"harmless":          {pair(says("v1", 1, protocol.Reveal{Key: [32]byte{1}}), says("v1", 1, protocol.Reveal{})), ErrEvidence},
		"nothing to lose":   {pair(signs("w1", a), signs("w1", b), a, b), ErrFunds},
		"not on the ledger": {pair(signs("x", a), signs("x", b), a, b), ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			for _, market := range []bool{false, true} {
				w := newWorld(t, market)
				if c.want != nil {
					w.not(c.want, "bob", c.e)
					continue
				}
				had := w.Staked(1, pub("v1"))
				w.do("bob", c.e)
				equal(t, "left", w.Staked(1, pub("v1")), had-share(had, w.net.Params.SlashTwice))
				w.not(ErrDuplicate, "ann", c.e)
			}
		})
	}
}

// Unstaking before the evidence comes does not help: what is on its way out is slashed
// too, and so is stake on root.
func TestNoFlightFromSlashing(t *testing.T) {
	w := newWorld(t, false)
	w.do("bob", Stake{Run: Root, Hot: pub("v1"), Amount: 40 * Coin})
	w.do("ann", Unstake{Run: 1, Hot: pub("v1"), Units: ^Amount(0)})
	e := Equivocation{First: says("v1", 1, protocol.SheetCommit{Sheet: protocol.Digest{1}}), Second: says("v1", 1, protocol.SheetCommit{})}
	burned := w.net.Burned
	w.do("bob", e)
	equal(t, "burned", w.net.Burned-burned, share(100*Coin, 6553)+share(40*Coin, 6553))
	had := w.balance("ann")
	w.pass(5)
	w.do("ann", Withdraw{Run: 1, Hot: pub("v1")})
	equal(t, "ann gets", w.balance("ann")-had >= 100*Coin-share(100*Coin, 6553), true)
}

func TestBrokenLink(t *testing.T) {
	w := newWorld(t, false)
	parent := receipt(3)
	good := receipt(4)
	good.Parent, good.StateRoot = parent.Digest(), StateRoot(parent)
	bad := good
	bad.StateRoot[0] ^= 1
	signed := func(r protocol.Receipt) protocol.Message {
		return says("v1", r.Round, protocol.CoSign{Receipt: r.Digest()})
	}
	w.not(ErrEvidence, "bob", BrokenLink{Signed: signed(good), Receipt: good, Parent: parent})
	w.not(ErrEvidence, "bob", BrokenLink{Signed: signed(good), Receipt: bad, Parent: parent})
	w.not(ErrEvidence, "bob", BrokenLink{Signed: signed(bad), Receipt: bad, Parent: receipt(2)})
	w.do("bob", BrokenLink{Signed: signed(bad), Receipt: bad, Parent: parent})
	equal(t, "left", w.Staked(1, pub("v1")), 100*Coin-share(100*Coin, 6553))
}

func TestOutvoted(t *testing.T) {
	w := newWorld(t, false)
	wrong, right := receipt(3), receipt(3)
	wrong.Decision[0] = 1
	signed := func(who string, r protocol.Receipt) protocol.Message {
		return says(who, r.Round, protocol.CoSign{Receipt: r.Digest()})
	}
	// v1 has 100 of 600, v2 200, v3 300.
	by := func(who ...string) (all []protocol.Message) {
		for _, v := range who {
			all = append(all, signed(v, right))
		}
		return all
	}
	w.not(ErrEvidence, "bob", Outvoted{Signed: signed("v1", wrong), Receipt: wrong, Other: right, CoSigns: by("v3")})
	w.not(ErrEvidence, "bob", Outvoted{Signed: signed("v1", wrong), Receipt: wrong, Other: right, CoSigns: by("v3", "v3")})
	w.not(ErrEvidence, "bob", Outvoted{Signed: signed("v1", wrong), Receipt: wrong, Other: right, CoSigns: by("v3", "w1", "w2")})
	w.not(ErrEvidence, "bob", Outvoted{Signed: signed("v1", right), Receipt: right, Other: right, CoSigns: by("v2", "v3")})
	w.not(ErrEvidence, "bob", Outvoted{Signed: signed("v1", wrong), Receipt: wrong, Other: receipt(4), CoSigns: by("v2", "v3")})
	w.do("bob", Outvoted{Signed: signed("v1", wrong), Receipt: wrong, Other: right, CoSigns: by("v2", "v3")})
	equal(t, "left", w.Staked(1, pub("v1")), 100*Coin-share(100*Coin, 6553))
}
