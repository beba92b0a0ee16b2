package coordinator

// This file tests what the status says of workers.

import (
	"maps"
	"testing"

	"lode/coordinator/round"
	"lode/protocol"
)

// Late is who was on the roster and not on the list, in each round.
func TestLateness(t *testing.T) {
	steady, slow, newcomer := protocol.NodeID{1}, protocol.NodeID{2}, protocol.NodeID{3}
	recent, late := lateness([]round.Summary{
		{Workers: []protocol.NodeID{steady, slow}, Outcomes: []round.Outcome{{Worker: steady}}},
		{Workers: []protocol.NodeID{steady, slow}, Outcomes: []round.Outcome{{Worker: slow}, {Worker: steady}}},
		{Workers: []protocol.NodeID{steady, slow, newcomer}, Outcomes: []round.Outcome{{Worker: steady}}},
	})
	if want := map[protocol.NodeID]int{steady: 3, slow: 3, newcomer: 1}; !maps.Equal(recent, want) {
		t.Errorf("on the roster: %v, want %v", recent, want)
	}
	if want := map[protocol.NodeID]int{steady: 0, slow: 2, newcomer: 1}; !maps.Equal(late, want) {
		t.Errorf("late: %v, want %v", late, want)
	}
}
