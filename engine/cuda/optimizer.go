package cuda

// This file holds the optimizer's step: AdamW's, and the gradient's norm for all.

import (
	"encoding/binary"
	"math"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/tensor"
)

// runBytes is the size of a Run of optimizer.cu.
const runBytes = 32

// run is a run of at most tensor.ChunkLen values of one tensor that is trained.
type run struct {
	at, moment, len int
	decays, hidden  bool
}

// numRuns returns how many runs a layout has.
func numRuns(l tensor.Layout) (n int) {
	for t := range l.NumTensors() {
		if s := l.Spec(t); s.Kind != tensor.Frozen {
			n += (s.Len() + tensor.ChunkLen - 1) / tensor.ChunkLen
		}
	}
	return n
}

// allRuns returns the runs of what is trained, in order.
func (e *Engine) allRuns() (all []run) {
	moment := 0
	for t := range e.layout.NumTensors() {
		s := e.layout.Spec(t)
		if s.Kind == tensor.Frozen {
			continue
		}
		for lo := 0; lo < s.Len(); lo += tensor.ChunkLen {
			n := min(tensor.ChunkLen, s.Len()-lo)
			all = append(all, run{e.layout.Offset(t) + lo, moment, n, e.decays[t], e.trace.Weights[t].Hidden})
			moment += n
		}
	}
	return all
}

// bytes lays out runs as optimizer.cu has them.
func bytesOf(runs []run) (b []byte) {
	bit := func(on bool) uint32 { return uint32(one(on)) }
	for _, r := range runs {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.at))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.moment))
		b = binary.LittleEndian.AppendUint32(b, uint32(r.len))
		b = binary.LittleEndian.AppendUint32(b, bit(r.decays))
		b = binary.LittleEndian.AppendUint32(b, bit(r.hidden))
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return b
}

// update puts one step along the gradient into the stream. The card finds out whether loss
// and gradient are finite; if not, nothing moves.
func (e *Engine) update(h engine.Hyper) error {
	g := e.program
	if err := e.blocks("squares", g.numRuns, g.squares.arg(), g.grads.arg(), g.runs.arg()); err != nil {
		return err
	}
	if err := e.blocks("norm", 1, g.norms.arg(), g.squares.arg(), g.total.arg(), driver.Int(g.numRuns), driver.Double(float64(h.ClipNorm))); err != nil {
		return err
	}
	if h.Muon {
		if err := e.muonSteps(h); err != nil {
			return err
		}
	}
	t := float64(e.steps + 1)
	rate := float32(float64(h.Rate) / (1 - math.Pow(float64(h.Beta1), t)))
	unit2 := float32(1 / (1 - math.Pow(float64(h.Beta2), t)))
	return e.blocks("adamw", g.numRuns, g.params.arg(), g.grads.arg(), g.first.arg(), g.second.arg(), g.runs.arg(), g.norms.arg(), flag(h.Muon),
		driver.Float(h.Beta1), driver.Float(h.Beta2), driver.Float(h.Epsilon), driver.Float(rate), driver.Float(unit2), driver.Float(h.Rate*h.WeightDecay))
}
