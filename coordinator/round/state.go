package round

// This file holds the round in flight and what is kept of finished ones.

import (
	"bytes"
	"slices"

	"lode/gradient"
	"lode/protocol"
	"lode/validator/score"
	"lode/yuma/ledger"
)

// Member is a node that joined the run.
type Member struct {
	Node    protocol.NodeID
	Role    protocol.Role
	Name    string
	Present bool
	// Left says that the ledger gave this node's place to a newcomer. It may join again.
	Left bool
	// Anchor is what a validator's next preimage must hash to; Revealed counts
	// the preimages shown of the present chain.
	Anchor   protocol.Digest
	Revealed uint64
	// NextAnchor replaces Anchor when the next round opens; zero if none waits.
	NextAnchor protocol.Digest

	anchors []protocol.Digest // all that were ever joined with
	stood   bool              // was there before the beacon of the last round was shown
}

// Round is the round in flight. In the phase [Gathering] it holds the number and
// state root of the round to come and empty lists.
type Round struct {
	Number  protocol.Round
	Root    protocol.Digest // R_r
	Parent  protocol.Digest // receipt of the round before
	Seed    protocol.Digest // of the assignment of shards
	Opened  protocol.Instant
	Workers []protocol.NodeID // roster, sorted by id
	Seats   []Seat            // roster of validators, sorted by id

	Entries []Entry         // commits in the order they arrived
	List    protocol.Digest // of the closed list; zero before Closing

	Eval       protocol.Digest // evaluation seed; zero before Scoring
	Candidates []score.Candidate
	Clips      []gradient.Clip // one per candidate
	Audit      []int           // candidates that validators audit
	Examine    []int           // candidates that validators examine for proof of work
	Verdicts   []score.Verdict
	Decision   protocol.Digest // zero before Sealing

	Spent    [NumPhases]protocol.Span // in each phase so far, the present one apart
	Attempt  uint32                   // how many proposers failed
	Proposal *protocol.Receipt        // of the present proposer

	entryOf  []int32     // by place on the roster of workers: 1 + index into Entries, 0 if none
	opinions []score.Sum // that validators owe the ledger; nil where no epoch ends
}

// Seat is one validator of the roster and what it has done this round.
type Seat struct {
	Node        protocol.NodeID
	Stake       uint64
	Signed      bool // the closed list
	Attestation *protocol.Attestation
	Committed   protocol.Digest // of its sheet
	Sheet       *protocol.Sheet
	CoSign      *protocol.CoSign // under the present proposal
	Weighed     bool             // said its weights, where the round ends an epoch
}

// did reports whether the validator has done its part of a phase.
func (s *Seat) did(p Phase) bool {
	switch p {
	case Closing:
		return s.Signed
	case Attesting:
		return s.Attestation != nil
	case Scoring:
		return s.Committed != protocol.Digest{}
	case Showing:
		return s.Sheet != nil
	case Sealing:
		return s.CoSign != nil
	}
	return false
}

// barred reports whether the validator can no longer do its part: no sheet
// without a preimage, none shown that was not committed.
func (s *Seat) barred(p Phase) bool {
	return p == Scoring && s.Attestation == nil || p == Showing && s.Committed == protocol.Digest{}
}

// Entry is one worker's commit and what became of it.
type Entry struct {
	Worker   protocol.NodeID
	Message  protocol.Digest // of the signed commit
	Commit   protocol.Commit
	Revealed bool
	Key      [32]byte
	Reason   protocol.Reason // set when attested; OK: a candidate
	Norm     gradient.Norm
}

// Stake returns the stake of the whole roster.
func (r *Round) Stake() uint64 { return stakeOf(r.Seats) }

func stakeOf(seats []Seat) uint64 {
	var sum uint64
	for i := range seats {
		sum += seats[i].Stake
	}
	return sum
}

// Seat returns the seat of a validator, nil if it has none this round.
func (r *Round) Seat(n protocol.NodeID) *Seat {
	i, ok := slices.BinarySearchFunc(r.Seats, n, func(s Seat, n protocol.NodeID) int { return bytes.Compare(s.Node[:], n[:]) })
	if !ok {
		return nil
	}
	return &r.Seats[i]
}

// Entry returns a worker's commit, nil if there is none.
func (r *Round) Entry(n protocol.NodeID) *Entry {
	if i, ok := r.WorkerIndex(n); ok && r.entryOf[i] != 0 {
		return &r.Entries[r.entryOf[i]-1]
	}
	return nil
}

// WorkerIndex returns a worker's place on the roster, which its shard follows
// from; ok is false if it has none.
func (r *Round) WorkerIndex(n protocol.NodeID) (i int, ok bool) {
	return slices.BinarySearchFunc(r.Workers, n, func(a, b protocol.NodeID) int { return bytes.Compare(a[:], b[:]) })
}

// Clone returns a copy that later steps do not change. What it shares with r is
// never written to again.
func (r *Round) Clone() *Round {
	c := *r
	c.Seats, c.Entries = slices.Clone(r.Seats), slices.Clone(r.Entries)
	c.entryOf = slices.Clone(r.entryOf)
	c.Candidates, c.Clips = slices.Clone(r.Candidates), slices.Clone(r.Clips)
	return &c
}

// Summary is what a finished round leaves.
type Summary struct {
	Round    protocol.Round
	Opened   protocol.Instant
	Closed   protocol.Instant
	Seed     protocol.Digest
	Eval     protocol.Digest
	Workers  []protocol.NodeID // roster
	Outcomes []Outcome         // one per listed commit, in its order
	Receipt  protocol.Receipt
	Backing  Backing
	Root     protocol.Digest // R_{r+1}
	// Before, After and HeldOut are stake-weighted medians of what the
	// co-signers measured.
	Before, After, HeldOut protocol.NanoNats
	Due                    []ledger.Event           // what fell due on the ledger
	Spent                  [NumPhases]protocol.Span // by phase
}

// Backing is how many validators co-signed a receipt, and their part of the
// roster's stake.
type Backing struct {
	Validators    int
	Stake, Roster uint64
}

// Outcome is what became of one commit.
type Outcome struct {
	Worker   protocol.NodeID
	Commit   protocol.Commit
	Revealed bool
	Key      [32]byte
	Verdict  score.Verdict
}

// Outcome returns what became of a worker's commit; ok is false if it was not
// on the closed list.
func (s *Summary) Outcome(n protocol.NodeID) (o Outcome, ok bool) {
	for _, o := range s.Outcomes {
		if o.Worker == n {
			return o, true
		}
	}
	return Outcome{}, false
}
