package ledger

// This file holds offences and what they cost.

import (
	"fmt"

	"lode/protocol"
)

// Equivocation is evidence of a hotkey that contradicts itself: two of its signed
// messages of one run, round and kind. Lists of commits and sheets contradict each
// other if they differ; proposals and co-signatures if their receipts differ in more
// than how the step travels, so the receipts must be shown.
type Equivocation struct {
	_             struct{} `cbor:",toarray"`
	First, Second protocol.Message
	Receipts      []protocol.Receipt // of First and Second, where they name receipts
}

// Kind implements [Body].
func (Equivocation) Kind() Kind { return 14 }

func (b Equivocation) apply(m *Machine, _ protocol.NodeID) error {
	first, second := b.First, b.Second
	if first.Run != second.Run || first.Round != second.Round || first.Node != second.Node {
		return fmt.Errorf("ledger: messages of different runs, rounds or nodes: %w", ErrEvidence)
	}
	x, err := first.Open(first.Run)
	if err != nil {
		return fmt.Errorf("ledger: first message: %w: %w", ErrEvidence, err)
	}
	y, err := second.Open(second.Run)
	if err != nil {
		return fmt.Errorf("ledger: second message: %w: %w", ErrEvidence, err)
	}
	if !b.contradict(x, y) {
		return fmt.Errorf("ledger: messages of %s that do not contradict each other: %w", first.Node.Short(), ErrEvidence)
	}
	return m.slash(first, m.net.Params.SlashTwice, "equivocation")
}

func (b Equivocation) contradict(x, y protocol.Body) bool {
	switch x := x.(type) {
	case protocol.ListSignature:
		y, ok := y.(protocol.ListSignature)
		return ok && x.List != y.List
	case protocol.SheetCommit:
		y, ok := y.(protocol.SheetCommit)
		return ok && x.Sheet != y.Sheet
	}
	if len(b.Receipts) != 2 {
		return false
	}
	return names(x, b.Receipts[0]) && names(y, b.Receipts[1]) && differ(b.Receipts[0], b.Receipts[1])
}

// names reports whether a message signs a receipt.
func names(b protocol.Body, r protocol.Receipt) bool {
	switch b := b.(type) {
	case protocol.CoSign:
		return b.Receipt == r.Digest()
	case protocol.Proposal:
		return b.Receipt == r
	}
	return false
}

// differ reports whether two receipts say different things; the bytes of the step's
// payload may come of another compressor.
func differ(a, b protocol.Receipt) bool {
	b.Payload, b.Size = a.Payload, a.Size
	return a != b
}

// BrokenLink is evidence of a receipt that does not recompute from the one it names
// as its parent: the state that it starts from is not the one that the parent ends in.
type BrokenLink struct {
	_       struct{}         `cbor:",toarray"`
	Signed  protocol.Message // a proposal or co-signature of Receipt
	Receipt protocol.Receipt
	Parent  protocol.Receipt
}

// Kind implements [Body].
func (BrokenLink) Kind() Kind { return 15 }

func (b BrokenLink) apply(m *Machine, _ protocol.NodeID) error {
	if err := signs(b.Signed, b.Receipt); err != nil {
		return err
	}
	r, p := b.Receipt, b.Parent
	follows := r.Parent == p.Digest() && p.Run == r.Run && p.Round+1 == r.Round
	if !follows || r.StateRoot == StateRoot(p) {
		return fmt.Errorf("ledger: receipts of rounds %d and %d: %w", p.Round, r.Round, ErrEvidence)
	}
	return m.slash(b.Signed, m.net.Params.SlashFalse, "broken link")
}

// StateRoot returns R_{r+1}, the root of the state that a receipt ends in: of everything
// that decides the round after it, parameters, outer optimizer, and by the decision
// standings and books.
func StateRoot(r protocol.Receipt) protocol.Digest {
	return protocol.Hash("state root", r.Model[:], r.Outer[:], r.Decision[:])
}

// Outvoted is evidence of a receipt that others found not to recompute: validators
// with two thirds of the stake of a run signed another receipt of the same round, in
// the same state.
type Outvoted struct {
	_       struct{}         `cbor:",toarray"`
	Signed  protocol.Message // a proposal or co-signature of Receipt
	Receipt protocol.Receipt
	Other   protocol.Receipt
	CoSigns []protocol.Message // of Other
}

// Kind implements [Body].
func (Outvoted) Kind() Kind { return 16 }

func (b Outvoted) apply(m *Machine, _ protocol.NodeID) error {
	if err := signs(b.Signed, b.Receipt); err != nil {
		return err
	}
	r, o := b.Receipt, b.Other
	if r.Run != o.Run || r.Round != o.Round || !differ(r, o) {
		return fmt.Errorf("ledger: receipts that do not exclude each other: %w", ErrEvidence)
	}
	run, err := m.runOf(r.Run)
	if err != nil {
		return err
	}
	var backing Amount
	seen := map[protocol.NodeID]bool{b.Signed.Node: true}
	for _, c := range b.CoSigns {
		if seen[c.Node] {
			return fmt.Errorf("ledger: %s signs twice: %w", c.Node.Short(), ErrEvidence)
		}
		seen[c.Node] = true
		if err := signs(c, o); err != nil {
			return err
		}
		backing += m.permitted(run, c.Node)
	}
	var all Amount
	for _, id := range m.store.ids(uids.prefix(run.bytes())) {
		all += m.permitted(run, Hotkey(id[4:]))
	}
	if all == 0 || backing < all-all/3 {
		return fmt.Errorf("ledger: the other receipt has %d of %d: %w", backing, all, ErrEvidence)
	}
	return m.slash(b.Signed, m.net.Params.SlashFalse, "outvoted")
}

// signs reports why a message is not one that signs a receipt.
func signs(s protocol.Message, r protocol.Receipt) error {
	body, err := s.Open(r.Run)
	if err != nil {
		return fmt.Errorf("ledger: message of %s: %w: %w", s.Node.Short(), ErrEvidence, err)
	}
	if s.Round != r.Round || !names(body, r) {
		return fmt.Errorf("ledger: %s did not sign this receipt: %w", s.Node.Short(), ErrEvidence)
	}
	return nil
}

// permitted returns the stake of a validator with a permit.
func (m *Machine) permitted(run Run, h Hotkey) Amount {
	uid, err := m.uidOf(run, h)
	if err != nil || !m.neuron(run, uid).Permit {
		return 0
	}
	return m.own(run, h)
}

func (m *Machine) runOf(id protocol.RunID) (Run, error) {
	n, ok := load[uint32](&m.store, runIDs.key(id[:]))
	if !ok {
		return 0, fmt.Errorf("ledger: run %s: %w", id.Short(), ErrUnknown)
	}
	return Run(n), nil
}

// slash burns a share of the stake of who signed a message: on its run, on [Root], and
// on its way out of both. It must have a place on the run. One round costs it once.
func (m *Machine) slash(by protocol.Message, part uint64, what string) error {
	run, err := m.runOf(by.Run)
	if err != nil {
		return err
	}
	k := offences.key(by.Node[:], by.Run[:], number(uint64(by.Round)))
	if m.store.has(k) {
		return fmt.Errorf("ledger: round %d of %s: %w", by.Round, by.Node.Short(), ErrDuplicate)
	}
	// Its owner put it on this run; who did not cannot be drawn into one that somebody
	// else opened with a manifest of old.
	if _, err := m.uidOf(run, by.Node); err != nil {
		return err
	}
	save(&m.store, k, m.net.Height)
	var lost Amount
	for _, on := range []Run{run, Root} {
		lost += m.slashPool(pools, on, by.Node, part) + m.slashPool(leavingPools, on, by.Node, part)
	}
	if lost == 0 {
		return fmt.Errorf("ledger: %s has nothing to lose: %w", by.Node.Short(), ErrFunds)
	}
	m.tell(Event{What: what, Run: run, Hot: by.Node, Amount: lost, Number: uint64(by.Round)})
	return nil
}

func (m *Machine) slashPool(of table, run Run, h Hotkey, part uint64) Amount {
	k := of.key(run.bytes(), h[:])
	p, ok := load[Pool](&m.store, k)
	if !ok {
		return 0
	}
	lost := share(p.Units, part)
	p.Units -= lost
	save(&m.store, k, p)
	if of.letter == leavingPools.letter {
		m.burn(lost)
		return lost
	}
	m.restake(run, 0, lost)
	if unitAsset(m.net.Market, run) == coin {
		m.burn(lost)
	} else {
		m.destroy(run, lost)
	}
	return lost
}

// destroy takes units of a run's own coin out of existence.
func (m *Machine) destroy(run Run, units Amount) {
	k := runs.key(run.bytes())
	r, ok := load[RunState](&m.store, k)
	if !ok {
		k = dissolved.key(run.bytes())
		r, _ = load[RunState](&m.store, k)
	}
	r.Issued -= units
	save(&m.store, k, r)
}
