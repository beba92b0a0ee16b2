package ledger

// This file holds child keys: stake that votes through another hotkey.

import (
	"fmt"
	"math/bits"
	"slices"

	"lode/protocol"
	"lode/yuma"
	"lode/yuma/economy"
)

// Child is a hotkey that another lends a part of its stake on a run.
type Child struct {
	_    struct{} `cbor:",toarray"`
	Hot  Hotkey
	Part uint64 // in units of 1/(2⁶⁴−1)
}

// Children are those of one hotkey on one run.
type Children struct {
	_       struct{} `cbor:",toarray"`
	Now     []Child
	Next    []Child // what replaces Now at the first epoch from At on
	At      uint64  // 0 if nothing does
	Changed uint64  // height of the last SetChildren
	Take    uint16  // share that the hotkey keeps of what it earns for parents
	Raised  uint64  // height of the last raise of Take
}

// SetChildren names those to whom a hotkey of the signer lends its stake on a run, in
// place of those before. It counts after a while.
type SetChildren struct {
	_    struct{} `cbor:",toarray"`
	Run  Run
	Hot  Hotkey
	List []Child
}

// Bounds on those who lend and those who are lent to.
const (
	maxChildren = 5
	maxParents  = 128
)

// Kind implements [Body].
func (SetChildren) Kind() Kind { return 12 }

func (b SetChildren) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.owned(b.Hot, signer); err != nil {
		return err
	}
	if _, err := m.run(b.Run); err != nil {
		return err
	}
	if err := m.checkChildren(b); err != nil {
		return fmt.Errorf("ledger: children of %s: %w", b.Hot.Short(), err)
	}
	k := children.key(b.Run.bytes(), b.Hot[:])
	c, _ := load[Children](&m.store, k)
	if c.Changed != 0 && m.net.Height-c.Changed < m.net.Params.ChildRate {
		return fmt.Errorf("ledger: children of %s since %d: %w", b.Hot.Short(), c.Changed, ErrEarly)
	}
	c.Next, c.At, c.Changed = b.List, m.net.Height+m.net.Params.ChildCooldown, m.net.Height
	save(&m.store, k, c)
	m.tell(Event{What: "children", Run: b.Run, Hot: b.Hot, Number: uint64(len(b.List))})
	return nil
}

func (m *Machine) checkChildren(b SetChildren) error {
	if len(b.List) > maxChildren {
		return fmt.Errorf("%d, at most %d are allowed: %w", len(b.List), maxChildren, ErrRange)
	}
	need := max(m.net.Params.MinStake, m.rules(b.Run).StakeThreshold)
	if own := m.own(b.Run, b.Hot); len(b.List) > 0 && uint64(m.worth(b.Run, own)) < need {
		return fmt.Errorf("stake %d, %d is needed: %w", own, need, ErrFunds)
	}
	var sum uint64
	for i, c := range b.List {
		var over uint64
		sum, over = bits.Add64(sum, c.Part, 0)
		switch {
		case over != 0:
			return fmt.Errorf("more than everything: %w", ErrRange)
		case c.Part == 0:
			return fmt.Errorf("nothing for %s: %w", c.Hot.Short(), ErrRange)
		case c.Hot == b.Hot:
			return ErrSelf
		case slices.ContainsFunc(b.List[:i], func(d Child) bool { return d.Hot == c.Hot }):
			return fmt.Errorf("%s: %w", c.Hot.Short(), ErrDuplicate)
		case !m.store.has(identities.key(c.Hot[:])):
			return fmt.Errorf("%s: %w", c.Hot.Short(), ErrUnknown)
		case m.lends(b.Run, c.Hot, b.Hot):
			return fmt.Errorf("%s is a parent: %w", c.Hot.Short(), ErrDuplicate)
		case !m.lends(b.Run, b.Hot, c.Hot) && len(m.parentsOf(b.Run, c.Hot)) >= maxParents:
			return fmt.Errorf("%s has %d parents: %w", c.Hot.Short(), maxParents, ErrFull)
		}
	}
	return nil
}

// lends reports whether one hotkey is a parent of another.
func (m *Machine) lends(run Run, parent, child Hotkey) bool {
	return m.store.has(parents.key(run.bytes(), child[:], parent[:]))
}

// SetChildTake sets what a hotkey of the signer keeps of what it earns for parents.
type SetChildTake struct {
	_    struct{} `cbor:",toarray"`
	Run  Run
	Hot  Hotkey
	Take uint16
}

// Kind implements [Body].
func (SetChildTake) Kind() Kind { return 13 }

func (b SetChildTake) apply(m *Machine, signer protocol.NodeID) error {
	if _, err := m.owned(b.Hot, signer); err != nil {
		return err
	}
	if _, err := m.uidOf(b.Run, b.Hot); err != nil {
		return err
	}
	k := children.key(b.Run.bytes(), b.Hot[:])
	c, _ := load[Children](&m.store, k)
	switch {
	case uint64(b.Take) > m.net.Params.MaxTake:
		return fmt.Errorf("ledger: take %d, at most %d is allowed: %w", b.Take, m.net.Params.MaxTake, ErrRange)
	case b.Take > c.Take && c.Raised != 0 && m.net.Height-c.Raised < m.net.Params.TakeRate:
		return fmt.Errorf("ledger: take of %s was raised at %d: %w", b.Hot.Short(), c.Raised, ErrEarly)
	case b.Take > c.Take:
		c.Raised = m.net.Height
	}
	c.Take = b.Take
	save(&m.store, k, c)
	m.tell(Event{What: "child take", Run: b.Run, Hot: b.Hot, Number: uint64(b.Take)})
	return nil
}

// settleChildren makes those changes count whose time has come. A child that has
// become a parent in between, or has too many, is left out.
func (m *Machine) settleChildren(run Run) {
	for _, id := range m.store.ids(children.prefix(run.bytes())) {
		k := children.key(id)
		c, _ := load[Children](&m.store, k)
		if c.At == 0 || c.At > m.net.Height {
			continue
		}
		h := Hotkey(id[4:])
		for _, d := range c.Now {
			m.store.remove(parents.key(run.bytes(), d.Hot[:], h[:]))
		}
		c.Now, c.Next, c.At = slices.DeleteFunc(c.Next, func(d Child) bool {
			return m.lends(run, d.Hot, h) || len(m.parentsOf(run, d.Hot)) >= maxParents
		}), nil, 0
		for _, d := range c.Now {
			save(&m.store, parents.key(run.bytes(), d.Hot[:], h[:]), d.Part)
		}
		save(&m.store, k, c)
	}
}

// own returns a hotkey's own stake on a run, whoever staked it.
func (m *Machine) own(run Run, h Hotkey) Amount {
	p, _ := load[Pool](&m.store, pools.key(run.bytes(), h[:]))
	return p.Units
}

// vote is what a hotkey votes with on a run: its stake there and on [Root], after
// what it lends and what it is lent.
type vote struct{ run, root uint64 }

func (v vote) weight(root yuma.Q32) uint64 { return economy.StakeWeight(v.run, v.root, root) }

func (m *Machine) rootWeight() yuma.Q32 { return yuma.Proportion(uint16(m.net.Params.RootWeight)) }

// voting returns the stake that a hotkey votes with.
func (m *Machine) voting(run Run, h Hotkey) vote {
	c, _ := load[Children](&m.store, children.key(run.bytes(), h[:]))
	parts := make([]uint64, len(c.Now))
	for i, d := range c.Now {
		parts[i] = d.Part
	}
	var onRun, onRoot []economy.Parent
	for _, p := range m.parentsOf(run, h) {
		onRun = append(onRun, economy.Parent{Stake: uint64(m.own(run, p.Hot)), Part: p.Part})
		onRoot = append(onRoot, economy.Parent{Stake: uint64(m.own(Root, p.Hot)), Part: p.Part})
	}
	return vote{
		run:  economy.Inherited(uint64(m.own(run, h)), parts, onRun),
		root: economy.Inherited(uint64(m.own(Root, h)), parts, onRoot),
	}
}

// parentsOf returns those who lend to a hotkey, ascending.
func (m *Machine) parentsOf(run Run, h Hotkey) (all []Child) {
	prefix := parents.prefix(run.bytes(), h[:])
	for _, id := range m.store.ids(prefix) {
		part, _ := load[uint64](&m.store, parents.key(id))
		all = append(all, Child{Hot: Hotkey(id[36:]), Part: part})
	}
	return all
}
