package cpu

// This file holds the Muon step (K. Jordan and others, "Muon: an optimizer for
// hidden layers in neural networks", 2024): the gradient's running mean, looked
// ahead as Nesterov does, is replaced by an orthogonal matrix near it, so that
// all directions of a weight matrix move alike.

import (
	"math"

	"lode/engine/kernel"
	"lode/tensor"
)

const (
	muonMomentum = 0.95
	// muonScale gives the step the root mean square that AdamW's usually has, once
	// multiplied by the root of the longer side, so that both take the same rate
	// and decay (J. Liu and others, arXiv:2502.16982, section 2.2).
	muonScale = 0.2
	// muonRounds turns of the polynomial a·x + b·x³ + c·x⁵ bring the singular
	// values of a matrix of norm 1 near 1, but for the smallest: it rises steeply at 0
	// and then stays within about 0.7 to 1.2.
	muonRounds = 5
	muonA      = 3.4445
	muonB      = -4.7750
	muonC      = 2.0315
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
	take := float32(1-muonMomentum) * p.scale
	for lo := 0; lo < len(g); lo += tensor.ChunkLen {
		hi := min(lo+tensor.ChunkLen, len(g))
		average(m[lo:hi], g[lo:hi], take)
		copy(x[lo:hi], m[lo:hi])
		average(x[lo:hi], g[lo:hi], take)
	}
	x = b.orthogonal(&e.team, w.Rows, w.Cols)
	far := p.rate * float32(muonScale*math.Sqrt(float64(max(w.Rows, w.Cols))))
	kernel.Scale(w.Data, 1-p.decay)
	kernel.Axpy(w.Data, -far, x)
}

// average takes a running mean one gradient further.
func average(mean, g []float32, take float32) {
	kernel.Scale(mean, muonMomentum)
	kernel.Axpy(mean, take, g)
}

// orthogonal returns an orthogonal matrix near b.step, which it overwrites. Of
// zeros it makes zeros.
func (b *muon) orthogonal(t *team, rows, cols int) []float32 {
	n, side := rows*cols, min(rows, cols)
	x, next := b.step[:n], b.next[:n]
	kernel.Scale(x, float32(1/(norm(x)+1e-7)))
	square, higher := kernel.Dense(b.square, side, side), kernel.Dense(b.higher, side, side)
	for range muonRounds {
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
	kernel.Scale(y, muonC)
	kernel.Axpy(y, muonB, x)
	for i := 0; i < len(y); i += side + 1 {
		y[i] += muonA
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
