package round

// This file holds score sheets: committed, shown, and turned into a decision.

import (
	"lode/protocol"
	"lode/validator/score"
)

func (m *Machine) commitSheet(s *Seat, c protocol.SheetCommit) error {
	done := s.Committed != protocol.Digest{}
	if m.phase != Scoring || done {
		return m.lateOr(Scoring, done)
	}
	if s.Attestation == nil {
		return protocol.Refuse(protocol.WrongPreimage, "no preimage of this validator in round %d: its sheet does not count", m.round.Number)
	}
	if c.Sheet == (protocol.Digest{}) {
		return protocol.Refuse(protocol.Malformed, "empty digest")
	}
	s.Committed = c.Sheet
	return nil
}

func (m *Machine) showSheet(s *Seat, show protocol.SheetReveal) error {
	if m.phase != Showing || s.Sheet != nil {
		return m.lateOr(Showing, s.Sheet != nil)
	}
	sheet := show.Sheet
	if s.Committed == (protocol.Digest{}) || sheet.Digest(s.Node) != s.Committed {
		return protocol.Refuse(protocol.WrongSheet, "round %d", m.round.Number)
	}
	if sheet.Seed != m.round.Eval || len(sheet.Rows) != len(m.round.Candidates) {
		return protocol.Refuse(protocol.WrongSheet, "other seed or number of candidates")
	}
	if !bounded(sheet.Loss) {
		return protocol.Refuse(protocol.WrongSheet, "impossible loss")
	}
	for _, row := range sheet.Rows {
		if !bounded(row.First) || !bounded(row.Paired) || !bounded(row.Work) || row.Overlap > 1<<16 ||
			!row.Audited && row.Paired != 0 || !row.Examined && row.Work != 0 {
			return protocol.Refuse(protocol.WrongSheet, "impossible score")
		}
	}
	s.Sheet = &sheet
	return nil
}

func bounded(n protocol.NanoNats) bool {
	return n >= -protocol.MaxNanoNats && n <= protocol.MaxNanoNats
}

// sheets returns the shown sheets with their stakes, in the order of seats.
func (r *Round) sheets() []score.Sheet {
	var out []score.Sheet
	for i := range r.Seats {
		if s := &r.Seats[i]; s.Sheet != nil {
			out = append(out, score.Sheet{Validator: s.Node, Stake: s.Stake, Rows: s.Sheet.Rows})
		}
	}
	return out
}

// tryVoid gives up on the sheets of a round, so that it ends, once the deadline
// has passed and the validators present are a quorum but those of them who may
// still score are none: some attested or committed and are gone. Nothing is
// accepted then; what that costs a worker is the round.
func (m *Machine) tryVoid(p parts) bool {
	scoring := m.phase == Scoring || m.phase == Showing
	if !scoring || !m.expired || !score.TwoThirds(p.present, p.total) || score.TwoThirds(p.done+p.awaited, p.total) {
		return false
	}
	r := &m.round
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Reason == protocol.OK {
			e.Reason = protocol.NotAttested
		}
	}
	for i := range r.Seats {
		r.Seats[i].Sheet = nil
	}
	r.Candidates, r.Clips = nil, nil
	m.decide()
	m.enter(Sealing)
	return true
}

// decide fixes the verdicts. The decision digest covers them, the state they were
// made from, and every event up to here: standings and pay follow from sheets,
// which a record could otherwise leave out under the same receipt.
func (m *Machine) decide() {
	r := &m.round
	r.Verdicts = m.board.Decide(m.man.Score, r.Candidates, r.Clips, r.sheets())
	board, books := m.board.Digest(), m.ledger.Root()
	r.Decision = protocol.Hash("decision", m.run[:], protocol.Encode(r.Number), r.List[:], r.Eval[:],
		protocol.Encode(r.Verdicts), board[:], books[:], m.log[:])
	m.weigh()
}
