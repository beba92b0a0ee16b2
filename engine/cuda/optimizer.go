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

// Sizes of a Hyper and an Outcome of optimizer.cu.
const (
	hyperBytes   = 40
	outcomeBytes = 40
)

// hyperOf lays out, as optimizer.cu has it, what the step of that number is taken with.
func hyperOf(h engine.Hyper, number uint64) []byte {
	t := float64(number)
	b := binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(h.ClipNorm)))
	for _, v := range []float32{
		h.Rate, float32(float64(h.Rate) / (1 - math.Pow(float64(h.Beta1), t))), float32(1 / (1 - math.Pow(float64(h.Beta2), t))),
		h.Beta1, h.Beta2, h.Epsilon, h.Rate * h.WeightDecay, 0,
	} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// update puts one step along the gradient into the stream. The card finds out whether loss
// and gradient are finite; if not, nothing moves.
func (e *Engine) update(muon bool) error {
	if muon && e.muon.memory.base == 0 {
		if err := e.muon.memory.allocate(e.device); err != nil {
			return err
		}
	}
	return e.again(recordable{optimizer: true, muon: muon}, func() error { return e.move(muon) })
}

// move is what update does.
func (e *Engine) move(muon bool) error {
	g := e.program
	if err := e.blocks("squares", g.numRuns, g.squares.arg(), g.grads.arg(), g.runs.arg()); err != nil {
		return err
	}
	one := driver.Grid{X: 1, Threads: 1024}
	if err := e.stream.Launch(e.kernels["norm"], one, g.outcome.arg(), g.squares.arg(), g.total.arg(), g.hyper.arg(), driver.Int(g.numRuns)); err != nil {
		return err
	}
	if muon {
		if err := e.muonSteps(); err != nil {
			return err
		}
	}
	return e.blocks("adamw", g.numRuns, g.params.arg(), g.halvesFrom(0), g.grads.arg(), g.first.arg(), g.second.arg(), g.runs.arg(), g.outcome.arg(), g.hyper.arg(), flag(muon))
}
