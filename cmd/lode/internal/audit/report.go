package audit

// This file holds what an audit found.

import (
	"fmt"
	"strings"

	"lode/protocol"
)

// Report is what an audit found. Where it ended early, it says how far it came.
type Report struct {
	Run         protocol.RunID `json:"run"`
	Entries     uint64         `json:"entries"` // of the record that are sound
	Rounds      []Round        `json:"rounds"`  // those asked for that are final, ascending
	Recomputed  int            `json:"recomputed"`
	Updates     int            `json:"updates"` // merged again
	Bytes       int64          `json:"bytes"`   // of payloads that were read
	Checkpoints []Checkpoint   `json:"checkpoints"`
	Supply      Supply         `json:"supply"` // at the end of the record
	Mismatch    *Mismatch      `json:"mismatch,omitempty"`
}

// Supply is all the money of a run, in units of 1e-9 coin: genesis + emitted −
// burned is what accounts and stakes hold, and what was left unpaid.
type Supply struct {
	Genesis uint64 `json:"genesis"`
	Emitted uint64 `json:"emitted"`
	Burned  uint64 `json:"burned"`
}

// Round is what became of one round.
type Round struct {
	Round      protocol.Round  `json:"round"`
	Recomputed bool            `json:"recomputed"` // from the accepted updates
	Updates    int             `json:"updates"`    // merged again
	Bytes      int64           `json:"bytes"`      // of payloads that were read
	Model      protocol.Digest `json:"model_root"`
	State      protocol.Digest `json:"state_root"` // recomputed here, or else the record's
	Missing    []Missing       `json:"missing,omitempty"`
}

// Missing is what is not there any more.
type Missing struct {
	What   string          `json:"what"` // "update", "merged step" or "model before the round"
	Worker protocol.NodeID `json:"worker,omitzero"`
	Digest protocol.Digest `json:"digest,omitzero"`
}

// String names it in a line.
func (m Missing) String() string {
	switch {
	case m.Worker != protocol.NodeID{}:
		return fmt.Sprintf("%s of %s (payload %s)", m.What, m.Worker.Short(), m.Digest.Short())
	case m.Digest != protocol.Digest{}:
		return fmt.Sprintf("%s (payload %s)", m.What, m.Digest.Short())
	}
	return m.What
}

// Checkpoint is one checkpoint that was compared.
type Checkpoint struct {
	Round protocol.Round `json:"round"` // the model is that before this round
	Bytes int64          `json:"bytes"`
	// Recomputed says that the model it was compared with was merged here; if
	// not, it is the one that the receipts name.
	Recomputed bool `json:"recomputed"`
	Gone       bool `json:"gone,omitempty"` // it was listed, but is not to be had
}

// Whole reports whether every round was recomputed and nothing was wrong.
func (r Report) Whole() bool { return r.Mismatch == nil && r.Recomputed == len(r.Rounds) }

// Roots returns the state roots of the rounds, in order.
func (r Report) Roots() []protocol.Digest {
	roots := make([]protocol.Digest, len(r.Rounds))
	for i, s := range r.Rounds {
		roots[i] = s.State
	}
	return roots
}

// Mismatch is something that is not as the run's rules or its record say. It is
// the error that [Verify] returns then.
type Mismatch struct {
	What   string          `json:"what"`
	Entry  *uint64         `json:"entry,omitempty"` // of the record
	Round  *protocol.Round `json:"round,omitempty"`
	Worker protocol.NodeID `json:"worker,omitzero"`
	Want   protocol.Digest `json:"expected,omitzero"`
	Got    protocol.Digest `json:"actual,omitzero"`
	Means  string          `json:"means"`
	Cause  error           `json:"-"`
	Detail string          `json:"detail,omitempty"` // the cause as text
}

// Error implements error: what, where, which digests, what it means.
func (m *Mismatch) Error() string {
	var b strings.Builder
	if m.Round != nil {
		fmt.Fprintf(&b, "round %d: ", *m.Round)
	}
	b.WriteString(m.What)
	if m.Entry != nil {
		fmt.Fprintf(&b, " entry %d", *m.Entry)
	}
	if m.Worker != (protocol.NodeID{}) {
		fmt.Fprintf(&b, " of %s", m.Worker.Short())
	}
	b.WriteString(" is not as it must be")
	if m.Want != (protocol.Digest{}) {
		fmt.Fprintf(&b, ": expected %s", m.Want)
	}
	if m.Got != (protocol.Digest{}) {
		fmt.Fprintf(&b, ", found %s", m.Got)
	}
	if m.Detail != "" {
		fmt.Fprintf(&b, ": %s", m.Detail)
	}
	fmt.Fprintf(&b, " (%s)", m.Means)
	return b.String()
}

// Unwrap returns the cause.
func (m *Mismatch) Unwrap() error { return m.Cause }

// because gives a mismatch its cause.
func (m *Mismatch) because(err error) *Mismatch {
	m.Cause, m.Detail = err, err.Error()
	return m
}

// in says which round a mismatch is in.
func (m *Mismatch) in(r protocol.Round) *Mismatch {
	m.Round = &r
	return m
}
