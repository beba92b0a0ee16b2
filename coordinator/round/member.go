package round

// This file holds membership: who joined, and who is there.

import (
	"slices"

	"lode/protocol"
)

func (m *Machine) join(msg protocol.Message, j protocol.Join) error {
	if msg.Round != 0 {
		return protocol.Refuse(protocol.WrongRound, "a join is for round 0")
	}
	if j.Role != protocol.Worker && j.Role != protocol.Validator {
		return protocol.Refuse(protocol.WrongRole, "only workers and validators join")
	}
	if !protocol.IsNodeName(j.Name) {
		return protocol.Refuse(protocol.Malformed, "a name has 1 to %d letters, digits, spaces, dots, dashes or underscores", protocol.MaxNodeName)
	}
	if (j.Role == protocol.Validator) != (j.Anchor != protocol.Digest{}) {
		return protocol.Refuse(protocol.Malformed, "validators, and they alone, anchor a hash chain")
	}
	i, known := m.find(msg.Node)
	if known && (!m.members[i].Left || m.members[i].Role != j.Role) {
		return m.rejoin(&m.members[i], j)
	}
	leaver, ok := m.place()
	if !ok {
		return protocol.Refuse(protocol.Full, "the run has %d members", m.man.Members.MaxMembers)
	}
	stake, err := m.admission(msg.Node, j)
	if err != nil {
		return err
	}
	if err := m.enroll(msg.Node, j.Role, stake, leaver); err != nil {
		return protocol.Refuse(protocol.Full, "%v", err)
	}
	if leaver != nil {
		leaver.Left = true
	}
	x := Member{Node: msg.Node, Role: j.Role, Name: j.Name, Present: true, Anchor: j.Anchor, anchors: []protocol.Digest{j.Anchor}}
	if known {
		m.members[i] = x
	} else {
		m.members = slices.Insert(m.members, i, x)
	}
	return nil
}

// longAway is the number of epochs after which a worker that went may lose its
// place. Whatever it did is paid by then, or waits to be examined.
const longAway = 10

// place looks for room for one more member. If all places are taken, a worker
// that is away gives up its own, the one that went first among those away for
// longAway epochs; of several the first by id. Validators keep theirs: what they
// have staked counts whether they are there or not.
func (m *Machine) place() (leaver *Member, ok bool) {
	var taken uint32
	for i := range m.members {
		x := &m.members[i]
		if x.Left {
			continue
		}
		taken++
		long := uint64(m.round.Number)-uint64(x.away) >= longAway*uint64(m.man.Economy.Tempo)
		if x.Role == protocol.Worker && !x.Present && long && (leaver == nil || x.away < leaver.away) {
			leaver = x
		}
	}
	if taken < m.man.Members.MaxMembers {
		return nil, true
	}
	return leaver, leaver != nil
}

// rejoin lets a validator anchor a new chain, one in a round and none twice:
// its earlier joins are public, and so are the preimages of their chains.
// Everything else is a duplicate.
func (m *Machine) rejoin(x *Member, j protocol.Join) error {
	if x.Role != j.Role {
		return protocol.Refuse(protocol.WrongRole, "this key joined as a %v", x.Role)
	}
	if j.Role == protocol.Worker || x.NextAnchor != (protocol.Digest{}) || slices.Contains(x.anchors, j.Anchor) {
		return protocol.Refuse(protocol.Duplicate, "this key is a member")
	}
	x.NextAnchor = j.Anchor
	x.anchors = append(x.anchors, j.Anchor)
	return nil
}

// admission returns the stake a newcomer is given, or why it may not come.
func (m *Machine) admission(n protocol.NodeID, j protocol.Join) (uint64, error) {
	rules := m.man.Members
	if j.Role == protocol.Validator {
		for _, g := range rules.Genesis {
			if g.Node == n {
				return 0, nil // its stake is in the ledger
			}
		}
	} else if rules.OpenWorkers {
		return 0, nil
	}
	invited := rules.Invitation != protocol.NodeID{} && protocol.Invited(rules.Invitation, m.run, n, j.Invitation)
	switch {
	case !invited:
		return 0, protocol.Refuse(protocol.NotInvited, "a %v needs an invitation: ask whoever launched the run for a link with ?invite=", j.Role)
	case j.Role == protocol.Worker:
		return 0, nil
	case rules.InvitedStake == 0:
		return 0, protocol.Refuse(protocol.NotInvited, "the run invites no validators")
	}
	return rules.InvitedStake, nil
}

func (m *Machine) setPresent(n protocol.NodeID, present bool) error {
	i, ok := m.find(n)
	if !ok || m.members[i].Left {
		return protocol.Refuse(protocol.NotMember, "node %s is no member", n.Short())
	}
	if m.members[i].Present == present {
		return protocol.Refuse(protocol.Duplicate, "nothing changed")
	}
	m.members[i].Present, m.members[i].away = present, m.round.Number
	switch {
	case !m.pending(n):
	case present:
		m.awaited++
	default:
		m.awaited--
	}
	return nil
}
