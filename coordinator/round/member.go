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
	var anchors []protocol.Digest
	if known {
		anchors = m.members[i].anchors // whose preimages are public
	}
	if j.Role == protocol.Validator && slices.Contains(anchors, j.Anchor) {
		return protocol.Refuse(protocol.Duplicate, "this hash chain was joined with before")
	}
	stake, err := m.admission(msg.Node, j)
	if err != nil {
		return err
	}
	if err := m.room(msg.Node); err != nil {
		return err
	}
	if err := m.enroll(msg.Node, j.Enter, stake); err != nil {
		return err
	}
	x := Member{Node: msg.Node, Role: j.Role, Name: j.Name, Present: true, Anchor: j.Anchor, anchors: append(anchors, j.Anchor)}
	if known {
		m.members[i] = x
	} else {
		m.members = slices.Insert(m.members, i, x)
	}
	return nil
}

// room refuses a newcomer if all places are taken and the next to lose its own earned
// something in the last epoch, has something coming or is young: places that cost nothing
// must not be taken from who works. The ledger keeps those who have a validator's stake.
func (m *Machine) room(n protocol.NodeID) error {
	r, p, _ := m.ledger.Run(Run)
	if _, placed := m.ledger.UID(Run, n); placed || uint64(r.Places) < p.MaxUIDs {
		return nil
	}
	last, ok := m.ledger.Weakest(Run)
	if young := m.ledger.Height()-last.Registered < p.Immunity; !ok || young || last.Emission > 0 || m.works(last.Hot) {
		return protocol.Refuse(protocol.Full, "the run has %d members, and all of them are new, staked or at work", r.Places)
	}
	return nil
}

// works reports whether a worker has something coming: work in this round, or scores
// since the last epoch.
func (m *Machine) works(n protocol.NodeID) bool { return m.round.Entry(n) != nil || m.board.Owed(n) }

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

// admission returns the stake a newcomer comes with, or why it may not come.
func (m *Machine) admission(n protocol.NodeID, j protocol.Join) (stake uint64, err error) {
	rules := m.man.Members
	if j.Role == protocol.Validator {
		for _, g := range rules.Genesis {
			if g.Node == n {
				return 0, nil // its stake is on the ledger
			}
		}
	} else if rules.OpenWorkers {
		return 0, nil
	}
	switch {
	case rules.Invitation == protocol.NodeID{} || !protocol.Invited(rules.Invitation, m.run, n, j.Invitation):
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
	m.come(&m.members[i], present)
	return nil
}

// come lets a member be there or not. Whoever is awaited is counted.
func (m *Machine) come(x *Member, present bool) {
	if x.Present == present {
		return
	}
	x.Present = present
	switch {
	case !m.pending(x.Node):
	case present:
		m.awaited++
	default:
		m.awaited--
	}
}

// evict takes note that a member's place is another's now.
func (m *Machine) evict(x *Member) {
	m.come(x, false)
	x.Left = true
}
