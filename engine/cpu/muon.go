package cpu

// This file holds the Muon step (K. Jordan and others, "Muon: an optimizer for
// hidden layers in neural networks", 2024): the gradient's running mean, looked
// ahead as Nesterov does, is replaced by an orthogonal matrix near it, so that
// all directions of a weight matrix move alike.

import (
	"math"

	"lode/engine"
	"lode/engine/kernel"
	"lode/tensor"
)

// muon is what Muon steps work in; the zero value grows with the first one.
type muon struct {
	step, next     []float32 // rows × cols
	square, higher []float32 // of the shorter side
}

func (b *muon) grow(n, side int) {
	if len(b.step) < n {
		b.step, b.next = make([]float32, n), make([]float32, n)
	}
	if len(b.square) < side*side {
		b.square, b.higher = make([]float32, side*side), make([]float32, side*side)
	}
}

// pace is how far a step goes.
type pace struct {
	scale float32 // of the gradient, from clipping
	rate  float32
	decay float32 // rate · weight decay
}

// muonStep moves the dense matrix w against its gradient g and updates its first
// moment m.
func (e *Engine) muonStep(w kernel.View, g, m []float32, p pace) {
	b := &e.muon
	b.grow(len(g), min(w.Rows, w.Cols))
	x := b.step[:len(g)]
	take := float32(1-engine.MuonMomentum) * p.scale
	for lo := 0; lo < len(g); lo += tensor.ChunkLen {
		hi := min(lo+tensor.ChunkLen, len(g))
		average(m[lo:hi], g[lo:hi], take)
		copy(x[lo:hi], m[lo:hi])
		average(x[lo:hi], g[lo:hi], take)
	}
	x = b.orthogonal(&e.team, w.Rows, w.Cols)
	far := p.rate * float32(engine.MuonScale*math.Sqrt(float64(max(w.Rows, w.Cols))))
	kernel.Scale(w.Data, 1-p.decay)
	kernel.Axpy(w.Data, -far, x)
}

// average takes a running mean one gradient further.
func average(mean, g []float32, take float32) {
	kernel.Scale(mean, engine.MuonMomentum)
	kernel.Axpy(mean, take, g)
}

// orthogonal returns an orthogonal matrix near b.step, which it overwrites. Of
// zeros it makes zeros.
func (b *muon) orthogonal(t *team, rows, cols int) []float32 {
	n, side := rows*cols, min(rows, cols)
	x, next := b.step[:n], b.next[:n]
	kernel.Scale(x, float32(1/(norm(x)+1e-7)))
	square, higher := kernel.Dense(b.square, side, side), kernel.Dense(b.higher, side, side)
	for range engine.MuonRounds {
		from, to := kernel.Dense(x, rows, cols), kernel.Dense(next, rows, cols)
		if rows <= cols {
			t.multiply(square, from, from.T(), false)
		} else {
			t.multiply(square, from.T(), from, false)
		}
		t.multiply(higher, square, square, false)
		polynomial(b.higher, b.square, side)
		if rows <= cols {
			t.multiply(to, higher, from, false)
		} else {
			t.multiply(to, from, higher, false)
		}
		x, next = next, x
	}
	return x
}

// polynomial turns y, the square of the side × side matrix x, into a + b·x + c·y.
func polynomial(y, x []float32, side int) {
	y, x = y[:side*side], x[:side*side]
	kernel.Scale(y, engine.MuonC)
	kernel.Axpy(y, engine.MuonB, x)
	for i := 0; i < len(y); i += side + 1 {
		y[i] += engine.MuonA
	}
}

// norm returns the Euclidean norm of x, summed chunk by chunk in order.
func norm(x []float32) float64 {
	sum := 0.0
	for lo := 0; lo < len(x); lo += tensor.ChunkLen {
		part := x[lo:min(lo+tensor.ChunkLen, len(x))]
		sum += float64(kernel.Dot(part, part))
	}
	return math.Sqrt(sum)
}
