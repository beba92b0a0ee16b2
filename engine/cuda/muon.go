package cuda

// This file holds the Muon step, as lode/engine/cpu takes it: there it says what it is.

import (
	"math"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/tensor"
)

// muonEps is added to the norm that a matrix is divided by.
const muonEps = 1e-7

// muon is what Muon steps work in: memory of its own, taken before the first. It is bf16, as in
// the method's own implementation, where values are: momentum and parameters stay float32.
type muon struct {
	memory         arena
	step, next     buffer // of the largest hidden matrix
	square, higher buffer // of its shorter side
	parts, root    buffer
}

// newMuon plans the memory.
func newMuon(p *program, gap int64) *muon {
	n, side := 0, 0
	for t, w := range p.Weights {
		if w.Hidden && len(w.Shape) > 1 && !p.frozen[t] {
			n, side = max(n, w.Len()), max(side, min(w.Shape[0], w.Len()/w.Shape[0]))
		}
	}
	m := &muon{memory: arena{gap: gap}}
	m.step, m.next = m.memory.numbers(n, p.half), m.memory.numbers(n, p.half)
	m.square, m.higher = m.memory.numbers(side*side, p.half), m.memory.numbers(side*side, p.half)
	m.parts, m.root = m.memory.take(8*int64(1+n/tensor.ChunkLen)), m.memory.take(8)
	return m
}

// muonSteps moves the hidden matrices.
func (e *Engine) muonSteps() error {
	moment := 0
	for t, w := range e.trace.Weights {
		if e.frozen[t] {
			continue
		}
		if w.Hidden && len(w.Shape) > 1 {
			if err := e.muonStep(t, moment); err != nil {
				return err
			}
		}
		moment += w.Len()
	}
	return nil
}

// muonStep moves matrix t, whose first moment begins at moment.
func (e *Engine) muonStep(t, moment int) error {
	w, m, g := e.trace.Weights[t], e.muon, e.program
	n, rows := w.Len(), w.Shape[0]
	cols, at := n/rows, e.layout.Offset(t)
	x := m.step
	if err := e.each(x.kind("momentum"), n, x.arg(), driver.At(g.first.at(moment)), driver.At(g.grads.at(at)), g.outcome.arg(), driver.Float(engine.MuonMomentum)); err != nil {
		return err
	}
	x, err := e.orthogonal(rows, cols)
	if err != nil {
		return err
	}
	scale := float32(engine.MuonScale * math.Sqrt(float64(max(rows, cols))))
	return e.each(x.kind("move"), n, driver.At(g.params.at(at)), g.halvesFrom(at), x.arg(), g.outcome.arg(), g.hyper.arg(), driver.Float(scale), flag(e.decays[t]))
}

// orthogonal returns an orthogonal matrix near muon.step, which it overwrites.
func (e *Engine) orthogonal(rows, cols int) (buffer, error) {
	m, n, side := e.muon, rows*cols, min(rows, cols)
	x, next := m.step, m.next
	parts := (n + tensor.ChunkLen - 1) / tensor.ChunkLen
	if err := e.blocks(x.kind("squares_of"), parts, m.parts.arg(), x.arg(), driver.Long(int64(n))); err != nil {
		return x, err
	}
	if err := e.blocks("root", 1, m.root.arg(), m.parts.arg(), driver.Int(parts)); err != nil {
		return x, err
	}
	if err := e.each(x.kind("divide"), n, x.arg(), m.root.arg(), driver.Double(muonEps)); err != nil {
		return x, err
	}
	square, higher := matrix(m.square, side, side), matrix(m.higher, side, side)
	for range engine.MuonRounds { // x becomes a·x + (b·x·xᵀ + c·(x·xᵀ)²)·x
		from, to := matrix(x, rows, cols), matrix(next, rows, cols)
		first := driver.Product{To: square, A: from, B: from.T()}
		last := driver.Product{To: to, A: higher, B: from, Beta: engine.MuonA, Add: from.At}
		if rows > cols {
			first.A, first.B = from.T(), from
			last.A, last.B = from, higher
		}
		second := driver.Product{To: higher, A: square, B: square, Alpha: engine.MuonC, Beta: engine.MuonB, Add: square.At}
		for _, z := range []driver.Product{first, second, last} {
			if err := e.multiply(z); err != nil {
				return x, err
			}
		}
		x, next = next, x
	}
	return x, nil
}
