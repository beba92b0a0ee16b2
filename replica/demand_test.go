package replica_test

import (
	"testing"

	"lode/engine/model"
	"lode/protocol"
)

// TestDemand: what a stranger's manifest asks for is known without doing it, and grows
// with everything that he may choose.
func TestDemand(t *testing.T) {
	total := func(role protocol.Role, change func(m *protocol.Manifest)) int64 {
		r := rulesOf(t, change)
		trace, err := model.TraceOf(r.Model)
		if err != nil {
			t.Fatal(err)
		}
		d := r.Demand(role)
		return trace.Account(model.Work{Loads: d.Loads, Frozen: r.Frozen, Muon: d.Muon}).Total() + d.Beside
	}
	as := func(*protocol.Manifest) {}
	for name, c := range map[string]struct {
		role   protocol.Role
		change func(m *protocol.Manifest)
		least  int64 // more than without the change
	}{
		"rows":            {protocol.Worker, func(m *protocol.Manifest) { m.Train.Rows = 1e5 }, 1 << 30},
		"rows, validated": {protocol.Validator, func(m *protocol.Manifest) { m.Score.Rows = 1e5 }, 1 << 30},
		"held out":        {protocol.Validator, func(m *protocol.Manifest) { m.Score.HeldOut = 1e5 }, 1 << 28},
		"inner steps": {protocol.Worker, func(m *protocol.Manifest) {
			m.Data.Piece = 1 << 24
			m.Train.InnerSteps = min(1e5, (m.Data.Piece/m.Data.Width-1)/m.Train.Steps)
		}, 1 << 19},
		"muon": {protocol.Worker, func(m *protocol.Manifest) { m.Train.Optimizer = protocol.Muon }, 1},
	} {
		if before, after := total(c.role, as), total(c.role, c.change); after < before+c.least {
			t.Errorf("%s: %d bytes, then %d", name, before, after)
		}
	}
	r := rulesOf(t)
	if m := modelOf(t, r); r.ModelBytes() != int64(4*len(m.Params)+8*len(m.Outer)*len(m.Params)) {
		t.Errorf("a model takes %d bytes", r.ModelBytes())
	}
}
