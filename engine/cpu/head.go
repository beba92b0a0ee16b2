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

// headValues bounds the predictions computed at a time, in values; but headRows rows
// are worth the reading of the whole matrix, however wide they are.
const (
	headValues = 1 << 20
	headRows   = 256
)

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
	b.graph.right = make([]bool, len(ids))
	b.head(of, m, head{targets: len(ids), factor: 1 / float32(len(ids)), score: func(i int, y []float32) float64 {
		target := y[ids[i]]
		if !b.train {
			b.graph.right[i] = best(y) == int(ids[i])
		}
		top, sum := kernel.Softmax(y, 1)
		y[ids[i]]--
		return math.Log(float64(sum)) + float64(top) - float64(target)
	}})
}

// best returns the place of the largest value, the first of equals.
func best(y []float32) (at int) {
	for i, v := range y {
		if v > y[at] {
			at = i
		}
	}
	return at
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
	k.block = min(k.n, max(headValues/k.wide, headRows))
	if b.predict {
		b.graph.said, k.block = make([]float32, b.rows*k.wide), 0
	}
	k.predictions, k.loss = make([]float32, k.block*k.wide), make([]float64, k.n)
	b.graph.losses, b.graph.share = k.loss, float64(k.n)/float64(k.targets)
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
	if b.predict {
		s.forward = func(v [][]float32) { k.say(v[0], v[1]) }
	}
	s.backward = func([][]float32, []float32) {}
	b.end(s, in...)
}

func (k *head) run(h, w []float32) {
	hs, ws := kernel.Dense(h, k.n, k.dim), kernel.Dense(w, k.wide, k.dim)
	for lo := 0; lo < k.n; lo += k.block {
		hi := min(k.n, lo+k.block)
		y := kernel.Dense(k.predictions, hi-lo, k.wide)
		k.team.multiply(y, hs.Sub(lo, hi), ws.T(), false)
		k.team.split(hi-lo, 1, func(_, a, z int) { k.rows(lo, a, z) })
		if !k.train {
			continue
		}
		if k.dh != nil {
			k.team.multiply(kernel.Dense(k.dh, k.n, k.dim).Sub(lo, hi), y, ws, false)
		}
		if k.w.grad != nil {
			k.team.multiply(kernel.Dense(k.w.grad, k.wide, k.dim), y.T(), hs.Sub(lo, hi), lo > 0)
		}
		if k.bias != nil && k.bias.grad != nil {
			k.biases(hi-lo, lo > 0)
		}
	}
	sum := 0.0
	for _, l := range k.loss {
		sum += l
	}
	k.graph.mean = sum / float64(k.targets)
}

// say computes the predictions of the last position of each row.
func (k *head) say(h, w []float32) {
	last := kernel.View{Data: h[(k.steps-1)*k.dim:], Rows: k.shape.rows, Cols: k.dim, RowStep: k.steps * k.dim, ColStep: 1}
	k.team.multiply(kernel.Dense(k.graph.said, k.shape.rows, k.wide), last, kernel.Dense(w, k.wide, k.dim).T(), false)
	for i := range k.shape.rows {
		if k.bias != nil {
			kernel.Axpy(row(k.graph.said, i, k.wide), 1, k.bias.values)
		}
	}
}

// rows computes the losses of rows base+a to base+z from rows a to z of the
// predictions and, in training, turns these into their gradients.
func (k *head) rows(base, a, z int) {
	for i := a; i < z; i++ {
		y := row(k.predictions, i, k.wide)
		if k.bias != nil {
			kernel.Axpy(y, 1, k.bias.values)
		}
		k.loss[base+i] = k.score(base+i, y)
		if k.train {
			kernel.Scale(y, k.factor)
		}
	}
}

// biases sets the gradient of the bias to the sum of n rows, or adds that.
func (k *head) biases(n int, add bool) {
	k.team.split(k.wide, tileRows, func(_, a, z int) {
		db := k.bias.grad[a:z]
		if !add {
			clear(db)
		}
		for i := range n {
			kernel.Axpy(db, 1, row(k.predictions, i, k.wide)[a:z])
		}
	})
}
