package round

// This file holds the opening of a round and its commits, up to the signed
// closed list.

import (
	"lode/protocol"
	"lode/validator/score"
)

// tryOpen freezes the roster if enough members are present.
func (m *Machine) tryOpen() bool {
	var workers []protocol.NodeID
	var seats []Seat
	for i := range m.members {
		x := &m.members[i]
		if !x.Present {
			continue
		}
		if x.Role == protocol.Worker {
			workers = append(workers, x.Node)
		} else if stake := m.stakeOf(x.Node); stake > 0 {
			seats = append(seats, Seat{Node: x.Node, Stake: stake})
		}
	}
	if uint32(len(workers)) < m.man.Members.MinWorkers || uint32(len(seats)) < m.man.Members.MinValidators {
		return false
	}
	// Presence is the coordinator's word. It must not be able to leave out
	// validators until few enough remain to agree with it.
	if !score.TwoThirds(stakeOf(seats), m.staked()) {
		return false
	}
	for i := range m.members {
		if x := &m.members[i]; x.NextAnchor != (protocol.Digest{}) {
			x.Anchor, x.NextAnchor, x.Revealed = x.NextAnchor, protocol.Digest{}, 0
		}
	}
	r := &m.round
	r.Seed = protocol.Hash("round seed", m.run[:], protocol.Encode(r.Number), r.Root[:], m.beacon[:])
	r.Workers, r.Seats, r.Opened = m.taken(workers), seats, m.now
	r.entryOf = make([]int32, len(r.Workers))
	m.enter(Training)
	return true
}

// staked is the stake of all validators, those of genesis that never came among
// them.
func (m *Machine) staked() uint64 {
	var sum uint64
	for i := range m.members {
		if m.members[i].Role == protocol.Validator {
			sum += m.stakeOf(m.members[i].Node)
		}
	}
	for _, g := range m.man.Members.Genesis {
		if _, joined := m.find(g.Node); !joined {
			sum += m.stakeOf(g.Node)
		}
	}
	return sum
}

func (m *Machine) commit(msg protocol.Message, c protocol.Commit) error {
	if err := m.expect(Training); err != nil {
		return err
	}
	r := &m.round
	place, ok := r.WorkerIndex(msg.Node)
	if !ok {
		return protocol.Refuse(protocol.NotMember, "not a worker of round %d; it begins with the next", r.Number)
	}
	if c.StateRoot != r.Root {
		return protocol.Refuse(protocol.WrongState, "update was computed from %s, round %d begins at %s", c.StateRoot.Short(), r.Number, r.Root.Short())
	}
	if c.Seed != r.Seed {
		return protocol.Refuse(protocol.WrongState, "update was trained on the shards of another roster of round %d", r.Number)
	}
	if c.Loss < -protocol.MaxNanoNats || c.Loss > protocol.MaxNanoNats || c.Size == 0 || max(c.Size, c.Kept, c.Tokens) > protocol.MaxCount {
		return protocol.Refuse(protocol.Malformed, "impossible loss, size or count")
	}
	if most := m.man.Merge.MaxSamples; c.Samples > most || most > 0 && c.Samples == 0 {
		return protocol.Refuse(protocol.Malformed, "an update of %d samples, which weigh %d to %d here", c.Samples, min(most, 1), most)
	}
	if r.entryOf[place] != 0 {
		return protocol.Refuse(protocol.Duplicate, "round %d has a commit of this worker", r.Number)
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Commit.Cipher == c.Cipher || e.Commit.Plain == c.Plain {
			return protocol.Refuse(protocol.Copied, "worker %s committed it first", e.Worker.Short())
		}
	}
	r.Entries = append(r.Entries, Entry{Worker: msg.Node, Message: msg.Digest(), Commit: c})
	r.entryOf[place] = int32(len(r.Entries))
	m.did(msg.Node)
	return nil
}

// tryClose closes the list of commits. A round in which every worker vanished
// before committing goes back to gathering: no list of it was ever signed.
func (m *Machine) tryClose() bool {
	r := &m.round
	switch {
	case m.done == 0 && (m.expired || m.awaited == 0):
		m.regather()
		return true
	case m.awaited == 0, m.expired, m.enough() && m.patienceEnds():
		r.List = listDigest(m.run, r)
		m.enter(Closing)
		return true
	}
	return false
}

// regather drops the frozen roster of a round without commits.
func (m *Machine) regather() {
	r := &m.round
	*r = Round{Number: r.Number, Root: r.Root, Parent: r.Parent}
	// A new seed: the members who come back must not train on a guessable shard.
	m.beacon = protocol.Hash("regathered", m.beacon[:])
	m.enter(Gathering)
}

// listDigest names a closed list: run, round, state and every commit in order.
func listDigest(run protocol.RunID, r *Round) protocol.Digest {
	parts := [][]byte{run[:], protocol.Encode(r.Number), r.Root[:]}
	for i := range r.Entries {
		parts = append(parts, r.Entries[i].Message[:])
	}
	return protocol.Hash("closed list", parts...)
}

func (m *Machine) signList(s *Seat, l protocol.ListSignature) error {
	if l.List != m.round.List && m.phase > Training {
		return protocol.Refuse(protocol.WrongList, "round %d closed list %s", m.round.Number, m.round.List.Short())
	}
	if m.phase < Closing || s.Signed {
		return m.lateOr(Closing, s.Signed)
	}
	s.Signed = true
	return nil
}

// lateOr refuses a message that is out of place: as a duplicate if its sender
// has done its part, else as one of another phase.
func (m *Machine) lateOr(p Phase, done bool) error {
	if done {
		return protocol.Refuse(protocol.Duplicate, "already received for round %d", m.round.Number)
	}
	return m.expect(p)
}
