package round

// This file holds keys and attestations: from a signed list to candidates.

import (
	"cmp"
	"slices"

	"lode/gradient"
	"lode/protocol"
	"lode/validator/score"
)

func (m *Machine) reveal(n protocol.NodeID, k protocol.Reveal) error {
	if m.phase < Revealing {
		return protocol.Refuse(protocol.WrongPhase, "the list of round %d is not signed yet: keep the key", m.round.Number)
	}
	e := m.round.Entry(n)
	if e == nil {
		return protocol.Refuse(protocol.NotListed, "round %d lists no commit of this worker", m.round.Number)
	}
	if m.phase > Revealing || e.Revealed {
		return m.lateOr(Revealing, e.Revealed)
	}
	e.Revealed, e.Key = true, k.Key
	m.did(n)
	return nil
}

func (m *Machine) attest(s *Seat, a protocol.Attestation) error {
	if m.phase != Attesting || s.Attestation != nil {
		return m.lateOr(Attesting, s.Attestation != nil)
	}
	if a.List != m.round.List {
		return protocol.Refuse(protocol.WrongList, "round %d closed list %s", m.round.Number, m.round.List.Short())
	}
	if len(a.Findings) != len(m.round.Entries) {
		return protocol.Refuse(protocol.Malformed, "%d findings for %d commits", len(a.Findings), len(m.round.Entries))
	}
	for _, f := range a.Findings {
		if f.Reason != protocol.OK && (f.NormHi != 0 || f.NormLo != 0) {
			return protocol.Refuse(protocol.Malformed, "a norm of an update that is no candidate")
		}
	}
	i, _ := m.find(s.Node)
	x := &m.members[i]
	if protocol.Hash("beacon", a.Preimage[:]) != x.Anchor {
		return protocol.Refuse(protocol.WrongPreimage, "does not hash to the anchor after %d reveals", x.Revealed)
	}
	x.Anchor = a.Preimage
	x.Revealed++
	s.Attestation = &a
	return nil
}

// settle turns attestations into candidates, clip factors and the evaluation
// seed.
func (m *Machine) settle() {
	r := &m.round
	total := r.Stake()
	for i := range r.Entries {
		e := &r.Entries[i]
		e.Reason, e.Norm = verdictOf(r.Seats, i, total)
		if e.Reason == protocol.OK && !e.Revealed {
			e.Reason = protocol.NotRevealed
		}
		if e.Reason == protocol.OK {
			r.Candidates = append(r.Candidates, score.Candidate{Worker: e.Worker, Norm: e.Norm})
		}
	}
	m.clip()
	beacon := [][]byte{m.run[:], protocol.Encode(r.Number)}
	for i := range r.Seats {
		if a := r.Seats[i].Attestation; a != nil {
			beacon = append(beacon, r.Seats[i].Node[:], a.Preimage[:])
		}
	}
	m.beacon = protocol.Hash("round beacon", beacon...)
	r.Eval = protocol.Hash("evaluation seed", r.Seed[:], r.List[:], m.beacon[:])
	r.Audit, r.Examine = m.board.Choose(m.man.Score, r.Eval, r.Candidates)
}

// clip brings candidates down to the reference norm and drops the far too
// strong.
func (m *Machine) clip() {
	r := &m.round
	ref := m.board.Reference(r.Candidates)
	kept := r.Candidates[:0]
	for _, c := range r.Candidates {
		q, reason := score.Clip(c.Norm, ref, m.man.Merge.Refuse)
		if reason != protocol.OK {
			r.Entry(c.Worker).Reason = reason
			continue
		}
		kept = append(kept, c)
		r.Clips = append(r.Clips, q)
	}
	r.Candidates = kept
}

// verdictOf is what the seats found of commit i: OK with the median norm if two
// thirds of the stake say so, otherwise the reason with most stake behind it
// (the lower number of equals).
func verdictOf(seats []Seat, i int, total uint64) (protocol.Reason, gradient.Norm) {
	var norms []score.Opinion[gradient.Norm]
	var good uint64
	type vote struct {
		reason protocol.Reason
		stake  uint64
	}
	var votes []vote
	for s := range seats {
		a := seats[s].Attestation
		if a == nil {
			continue
		}
		f := a.Findings[i]
		if f.Reason == protocol.OK {
			good += seats[s].Stake
			norms = append(norms, score.Opinion[gradient.Norm]{Value: gradient.Norm{Hi: f.NormHi, Lo: f.NormLo}, Stake: seats[s].Stake})
			continue
		}
		k := slices.IndexFunc(votes, func(v vote) bool { return v.reason == f.Reason })
		if k < 0 {
			k = len(votes)
			votes = append(votes, vote{reason: f.Reason})
		}
		votes[k].stake += seats[s].Stake
	}
	if score.TwoThirds(good, total) {
		return protocol.OK, score.MedianBy(norms, gradient.Norm.Compare)
	}
	if len(votes) == 0 {
		return protocol.NotAttested, gradient.Norm{}
	}
	most := slices.MaxFunc(votes, func(a, b vote) int {
		return cmp.Or(cmp.Compare(a.stake, b.stake), cmp.Compare(b.reason, a.reason))
	})
	return most.reason, gradient.Norm{}
}
