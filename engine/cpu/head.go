package cpu

// This file holds the last stage: the head and the loss in one, so that the
// predictions of a batch never lie in memory all at once.

import (
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lode/engine/kernel"
	"lode/engine/model"
)

// headValues bounds the predictions computed at a time, in values.
const headValues = 1 << 18

// head computes the mean of a loss of h·wᵀ + bias. In training the forward pass
// computes the gradients as well, block by block, since it has the predictions at
// hand.
type head struct {
	*builder
	n, dim, wide int
	block        int       // rows whose predictions are computed at a time
	predictions  []float32 // [block, wide]
	loss         []float64 // of each row
	dh           []float32
	w, bias      *weight // bias is nil if there is none
	// score returns the loss of row i from its predictions and turns these into their
	// gradient, but for a factor.
	score   func(i int, y []float32) float64
	factor  float32
	targets int // the loss is the mean over so many
}

// CrossEntropy implements model.Builder.
func (b *builder) CrossEntropy(of model.Value, m model.Head) {
	ids := b.graph.targets.IDs
	b.head(of, m, head{targets: len(ids), factor: 1 / float32(len(ids)), score: func(i int, y []float32) float64 {
		target := y[ids[i]]
		top, sum := kernel.Softmax(y, 1)
		y[ids[i]]--
		return math.Log(float64(sum)) + float64(top) - float64(target)
	}})
}

// SquaredError implements model.Builder.
func (b *builder) SquaredError(of model.Value, m model.Head) {
	reals := b.graph.targets.Reals
	b.head(of, m, head{targets: len(reals), factor: 2 / float32(len(reals)), score: func(i int, y []float32) float64 {
		kernel.Axpy(y, -1, row(reals, i, len(y)))
		return float64(kernel.Dot(y, y))
	}})
}

func (b *builder) head(of model.Value, m model.Head, k head) {
	x := b.values[of]
	k.builder, k.w, k.dh = b, b.weight(m.Name+".weight", 1), x.grad
	k.n, k.dim, k.wide = b.n(), k.w.cols, k.w.rows
	k.block = min(k.n, max(headValues/k.wide, tileRows))
	k.predictions, k.loss = make([]float32, k.block*k.wide), make([]float64, k.n)
	s := stage{name: m.Name}
	grads := []*tensor.Dense{x.gradient(), nil, nil}
	if k.w.uses == 1 { // else its share of the gradient waits where Embed adds to it
		grads[1] = k.w.gradient()
	}
	in := []*gorgonia.Node{x.node, k.w.node, b.given("targets", b.graph.targets)}
	if m.Bias {
		k.bias = b.weight(m.Name+".bias", 1)
		in, grads = append(in, k.bias.node), append(grads, k.bias.gradient())
	}
	s.differentiate(grads...)
	s.forward = func(v [][]float32) { k.run(v[0], v[1]) }
	s.backward = func([][]float32, []float32) {}
	b.end(s, in...)
}

func (k *head) run(h, w []float32) {
	for lo := 0; lo < k.n; lo += k.block {
		hi := min(k.n, lo+k.block)
		k.team.split(hi-lo, tileRows, func(_, a, z int) { k.rows(h, w, lo, lo+a, lo+z) })
		if k.train {
			k.weights(h, lo, hi)
		}
	}
	sum := 0.0
	for _, l := range k.loss {
		sum += l
	}
	k.graph.mean = sum / float64(k.targets)
}

// rows computes the losses of rows lo to hi, whose block begins at row base,
// and, in training, the gradients of their predictions and of h.
func (k *head) rows(h, w []float32, base, lo, hi int) {
	y := kernel.Dense(k.predictions, k.block, k.wide).Sub(lo-base, hi-base)
	kernel.Mul(y, kernel.Dense(h, k.n, k.dim).Sub(lo, hi), kernel.Dense(w, k.wide, k.dim).T())
	for i := lo; i < hi; i++ {
		y := row(k.predictions, i-base, k.wide)
		if k.bias != nil {
			kernel.Axpy(y, 1, k.bias.values)
		}
		k.loss[i] = k.score(i, y)
	}
	if k.train && k.dh != nil {
		dh := kernel.Dense(k.dh, k.n, k.dim).Sub(lo, hi)
		kernel.Mul(dh, y, kernel.Dense(w, k.wide, k.dim))
		kernel.Scale(k.dh[lo*k.dim:hi*k.dim], k.factor)
	}
}

// weights adds the share of rows lo to hi to the gradients of w and the bias.
func (k *head) weights(h []float32, lo, hi int) {
	k.team.split(k.wide, tileRows, func(_, a, z int) {
		if k.w.grad != nil {
			dw := kernel.Dense(k.w.grad, k.wide, k.dim).Sub(a, z)
			dy := kernel.Dense(k.predictions, hi-lo, k.wide).T().Sub(a, z)
			if x := kernel.Dense(h, k.n, k.dim).Sub(lo, hi); lo == 0 {
				kernel.Mul(dw, dy, x)
			} else {
				kernel.MulAdd(dw, dy, x)
			}
			if hi == k.n {
				kernel.Scale(k.w.grad[a*k.dim:z*k.dim], k.factor)
			}
		}
		if k.bias != nil && k.bias.grad != nil {
			db := k.bias.grad[a:z]
			if lo == 0 {
				clear(db)
			}
			for i := range hi - lo {
				kernel.Axpy(db, 1, row(k.predictions, i, k.wide)[a:z])
			}
			if hi == k.n {
				kernel.Scale(db, k.factor)
			}
		}
	})
}
