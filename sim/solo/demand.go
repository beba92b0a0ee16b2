package solo

// This file holds what a training asks of memory.

import (
	"lode/engine/model"
	"lode/protocol"
	"lode/replica"
)

// Demand returns what the training asks of memory, before engines are opened. Where
// these may be lost the state is remembered, and twice while that is renewed.
func (c Config) Demand(fragile bool) model.Demand {
	r := c.Rules
	t, workers := r.Manifest.Train, int64(c.Workers)
	load := func(rows int, gradient bool) model.Load {
		return model.Load{Rows: rows, Steps: int(t.Steps), Gradient: gradient}
	}
	held := load(int(r.Manifest.Score.HeldOut), false)
	d := model.Demand{Muon: t.Optimizer == protocol.Muon, Engines: 1, Beside: replica.ProgramBytes + r.VectorBytes()}
	if fragile {
		d.Beside += 2 * c.stateBytes()
	}
	if c.Apart {
		d.Engines, d.Loads = c.Workers, []model.Load{load(int(t.Rows), true), held}
		d.Beside += r.ModelBytes() + int64(r.MaxStep(0)) + r.DutyBytes() + workers*(2*r.VectorBytes()+int64(r.MaxPayload(0)))
		return d
	}
	d.Loads = []model.Load{load(c.Workers*int(t.Rows), true), held}
	d.Beside += workers * 2 * r.DutyBytes() // and the batches joined
	if r.Manifest.Train.Proximal > 0 {
		d.Beside += r.VectorBytes()
	}
	return d
}

// stateBytes returns the length of a state, but for some hundred bytes.
func (c Config) stateBytes() int64 {
	r := c.Rules
	if !c.Apart {
		return 3 * r.VectorBytes()
	}
	return r.ModelBytes() + int64(c.Workers)*3*r.VectorBytes() + int64(r.MaxStep(0))
}
