package coordinator

// This file holds the status for people.

import (
	"context"
	"math"
	"time"

	"lode/coordinator/round"
	"lode/protocol"
)

// Status is how a run stands, in terms people ask for.
type Status struct {
	Run      string            `json:"run"`
	Name     string            `json:"name"`
	Round    uint64            `json:"round"`
	Phase    string            `json:"phase"`
	Stopped  bool              `json:"stopped,omitempty"` // read from the disk of a run that is not on
	Since    float64           `json:"phase_seconds"`
	Clock    float64           `json:"clock,omitempty"`       // of the coordinator's machine, seconds since 1970; 0 if it was not asked
	Waiting  []string          `json:"waiting_for,omitempty"` // names of members
	Deadline float64           `json:"deadline_seconds,omitempty"`
	Root     string            `json:"state_root"`
	Entries  uint64            `json:"record_entries"`
	Rounds   uint64            `json:"rounds"`
	Accepted uint64            `json:"updates_accepted"`
	Refused  uint64            `json:"updates_refused"`
	Tokens   uint64            `json:"tokens"`
	Counted  string            `json:"counted"` // what tokens are: "tokens", or "samples" where data are records
	UpBytes  uint64            `json:"update_bytes"`
	Down     uint64            `json:"step_bytes"`
	Loss     float64           `json:"loss_nats"`          // after the last merge, shared batch
	HeldOut  float64           `json:"held_out_loss_nats"` // after the last merge
	Saved    uint64            `json:"checkpoint_round"`   // 0: none yet
	Pays     bool              `json:"pays"`               // false: a run without coins, stakes weigh votes
	Supply   uint64            `json:"supply"`
	Members  []MemberStatus    `json:"members"`
	Refusals map[string]uint64 `json:"refusals,omitempty"` // by reason, since the coordinator started
}

// MemberStatus is one member's line.
type MemberStatus struct {
	Node      string  `json:"node"`
	Name      string  `json:"name"`
	Role      string  `json:"role"`
	Present   bool    `json:"present"`
	Accepted  uint64  `json:"accepted"`
	Refused   uint64  `json:"refused"`
	Recent    int     `json:"recent_rounds"` // of the last finished ones, those it was on the roster of as a worker
	Late      int     `json:"recent_late"`   // of these, rounds whose list was closed without its update
	Stake     uint64  `json:"stake"`         // 1e-9 coin
	Balance   uint64  `json:"balance"`       // 1e-9 coin
	Incentive float64 `json:"incentive"`
	Dividend  float64 `json:"dividend"`
}

// Status returns how the run stands now.
func (c *Coordinator) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.Ask(ctx, func(m *round.Machine) { s = StatusOf(m) })
	s.Entries = c.cfg.Journal.Len()
	return s, err
}

// StatusOf returns how the run of a machine stands now.
func StatusOf(m *round.Machine) Status {
	now := wall(time.Now())
	phase, deadline := m.Phase()
	cur, counts := m.Current(), m.Counts()
	s := Status{
		Run: m.Run().String(), Name: m.Manifest().Name,
		Round: uint64(cur.Number), Phase: phase.String(), Since: now.Sub(m.Entered()).Seconds(), Root: cur.Root.String(),
		Rounds: counts.Rounds, Accepted: counts.Accepted, Refused: counts.Refused,
		Tokens: counts.Tokens, Counted: m.Manifest().Data.Counted(), UpBytes: counts.UpBytes, Down: counts.DownBytes,
		Saved: uint64(m.Saved().Round), Pays: m.Manifest().Economy.Pays(), Supply: m.Supply(),
	}
	if deadline != 0 {
		s.Deadline = max(0, deadline.Sub(now).Seconds())
	}
	if past := m.Past(); len(past) > 0 {
		last := past[len(past)-1]
		s.Loss, s.HeldOut = last.After.Nats(), last.HeldOut.Nats()
	}
	for _, n := range m.Waiting() {
		if x, ok := m.Member(n); ok {
			s.Waiting = append(s.Waiting, x.Name)
		}
	}
	recent, late := lateness(m.Past())
	for _, x := range m.Members() {
		out := memberStatus(m, x)
		out.Recent, out.Late = recent[x.Node], late[x.Node]
		s.Members = append(s.Members, out)
	}
	return s
}

// lateness counts the rounds that workers were on the roster of, and those of them
// whose list was closed without their update.
func lateness(past []round.Summary) (recent, late map[protocol.NodeID]int) {
	recent, late = map[protocol.NodeID]int{}, map[protocol.NodeID]int{}
	for i := range past {
		for _, n := range past[i].Workers {
			recent[n]++
			late[n]++
		}
		for _, o := range past[i].Outcomes {
			late[o.Worker]--
		}
	}
	return recent, late
}

func memberStatus(m *round.Machine, x round.Member) MemberStatus {
	held := m.Holding(x.Node)
	out := MemberStatus{
		Node: x.Node.String(), Name: x.Name, Role: x.Role.String(), Present: x.Present,
		Stake: held.Stake, Balance: held.Balance,
	}
	if x.Role == protocol.Worker {
		out.Accepted, out.Refused = m.Record(x.Node)
	}
	if p, ok := m.Place(x.Node); ok {
		out.Incentive, out.Dividend = float64(p.Incentive)/math.MaxUint16, float64(p.Dividends)/math.MaxUint16
	}
	return out
}
