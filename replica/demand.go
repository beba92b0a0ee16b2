package replica

// This file holds what a run asks of a node's memory, before anything is allocated.

import (
	"lode/aggregation"
	"lode/engine/model"
	"lode/protocol"
)

// What a process holds whatever the run is, and at most of a corpus that it fetches.
const (
	ProgramBytes = 48 << 20
	PieceBytes   = 64 << 20
)

// Demand returns what the run asks of the memory of a worker or a validator.
func (r *Rules) Demand(role protocol.Role) model.Demand {
	t, s := r.Manifest.Train, r.Manifest.Score
	load := func(rows uint32, gradient bool) model.Load {
		return model.Load{Rows: int(rows), Steps: int(t.Steps), Gradient: gradient}
	}
	d := model.Demand{Muon: t.Optimizer == protocol.Muon, Engines: 1}
	d.Beside = ProgramBytes + r.ModelBytes() + int64(r.MaxStep(0))
	private := r.Manifest.Data.Mode == protocol.DataPrivate
	if role == protocol.Worker {
		d.Loads = []model.Load{load(t.Rows, true)}
		d.Beside += 2*r.VectorBytes() + 2*int64(r.MaxPayload(0)) // what is left out, and where training began
		if private {                                             // trains on batches of its own data, and measures on some
			d.Loads = append(d.Loads, load(t.Rows, false))
			d.Beside += r.batchBytes(t.Rows)
		} else {
			d.Beside += r.pieceBytes() + r.DutyBytes()
		}
		return d
	}
	d.Loads = []model.Load{load(s.Rows, true), load(s.Rows, false), load(s.HeldOut, false)}
	rows := max(s.Rows, s.HeldOut)
	if s.Examine > 0 {
		d.Loads, rows = append(d.Loads, load(t.Rows, true)), max(rows, t.Rows)
	}
	d.Beside += r.pieceBytes() + r.outerBytes() + r.batchBytes(rows) // a merge works on a copy
	return d
}

func (r *Rules) pieceBytes() int64 { return int64(min(PieceBytes, r.Manifest.Data.Bytes)) }

// VectorBytes returns what a vector of length D takes.
func (r *Rules) VectorBytes() int64 { return 4 * int64(r.Layout.Len()) }

// ModelBytes returns what a [Model] takes.
func (r *Rules) ModelBytes() int64 { return r.VectorBytes() + r.outerBytes() }

func (r *Rules) outerBytes() int64 {
	return 8 * int64(aggregation.NumPlanes(r.Merge(0))) * int64(r.Layout.Len())
}

// DutyBytes returns what the text of a worker's assigned duty takes, and a batch of it: the
// spans of all rows are held until the last step.
func (r *Rules) DutyBytes() int64 {
	t := r.Manifest.Train
	span := (int64(t.InnerSteps)*int64(t.Steps) + 1) * int64(r.Manifest.Data.Width)
	return int64(t.Rows)*span + r.batchBytes(t.Rows)
}

// batchBytes returns what a batch takes, as it is read and as engines take it.
func (r *Rules) batchBytes(rows uint32) int64 {
	n := int64(rows) * int64(r.Manifest.Train.Steps)
	if r.Manifest.Data.Tokenizer == protocol.TokenRecords {
		return n * 5 * int64(r.Manifest.Data.Width) // bytes, then float32
	}
	return n * 8
}
