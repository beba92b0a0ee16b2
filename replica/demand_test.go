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
	private := func(m *protocol.Manifest) { m.Data.Mode, m.Score.Examine = protocol.DataPrivate, 0 }
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
	// A worker with own data measures on batches of as many rows, and holds no spans of all
	// its rows and no piece of a corpus; no validator examines what it trained on.
	many := func(m *protocol.Manifest) {
		m.Data.Piece = 1 << 24
		m.Train.InnerSteps = min(1e5, (m.Data.Piece/m.Data.Width-1)/m.Train.Steps)
	}
	privately := func(change func(m *protocol.Manifest)) func(m *protocol.Manifest) {
		return func(m *protocol.Manifest) { private(m); change(m) }
	}
	of := rulesOf(t, private).Demand(protocol.Worker)
	if rows := int(rulesOf(t).Manifest.Train.Rows); len(of.Loads) != 2 || of.Loads[0].Rows != rows || of.Loads[1].Rows != rows || !of.Loads[0].Gradient || of.Loads[1].Gradient {
		t.Errorf("a worker with own data takes batches %+v", of.Loads)
	}
	if before, after := total(protocol.Worker, private), total(protocol.Worker, privately(many)); after != before {
		t.Errorf("a worker with own data holds %d bytes, and %d where a round has more steps", before, after)
	}
	if before, after := total(protocol.Worker, private), total(protocol.Worker, privately(func(m *protocol.Manifest) { m.Data.Bytes *= 2 })); after != before {
		t.Errorf("a worker with own data holds %d bytes, and %d of a run with a larger corpus", before, after)
	}
	rows := func(m *protocol.Manifest) { m.Train.Rows = 1e5 }
	if before, after := total(protocol.Validator, private), total(protocol.Validator, privately(rows)); after != before {
		t.Errorf("a validator that examines nothing holds %d bytes, and %d where workers train on more rows", before, after)
	}
	examined := func(m *protocol.Manifest) { m.Score.Examine = 1; rows(m) }
	if before, after := total(protocol.Validator, as), total(protocol.Validator, examined); after < before+1<<30 {
		t.Errorf("a validator that examines holds %d bytes, and %d where workers train on more rows", before, after)
	}
	r := rulesOf(t)
	if m := modelOf(t, r); r.ModelBytes() != int64(4*len(m.Params)+8*len(m.Outer)*len(m.Params)) {
		t.Errorf("a model takes %d bytes", r.ModelBytes())
	}
}
