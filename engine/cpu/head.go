package cpu

// This file holds the last stage: logits and cross-entropy in one, so that the
// logits of a batch never lie in memory all at once.

import (
	"math"

	"lode/engine/kernel"
	"lode/engine/model"
)

// headValues bounds the logits computed at a time, in values.
const headValues = 1 << 18

// head computes the mean cross-entropy of softmax(h·wᵀ) against the targets. In
// training the forward pass computes the gradients as well, block by block,
// since it has the logits at hand.
type head struct {
	*builder
	n, dim, vocab int
	block         int // rows whose logits are computed at a time
	logits        []float32
	loss          []float64 // of each row
	dh, dw        []float32 // dw is nil if w is frozen
	mean          *float64
}

// CrossEntropy implements model.Builder.
func (b *builder) CrossEntropy(of model.Value, name string) {
	w, x, ids := b.weight(name+".weight", 1), b.values[of], b.graph.targets
	k := head{builder: b, n: len(ids), dim: w.cols, vocab: w.rows, dh: x.grad, dw: w.grad, mean: &b.graph.mean}
	k.block = min(k.n, max(headValues/k.vocab, tileRows))
	k.logits, k.loss = make([]float32, k.block*k.vocab), make([]float64, k.n)
	s := stage{name: name}
	s.forward = func(v [][]float32) { k.run(v[0], v[1], ids) }
	if w.uses > 1 { // its share of the gradient waits where Embed adds to it
		s.differentiate(x.gradient(), nil, nil)
	} else {
		s.differentiate(x.gradient(), w.gradient(), nil)
	}
	s.backward = func([][]float32, []float32) {}
	b.end(s, x.node, w.node, b.ids("targets", ids))
}

func (k *head) run(h, w []float32, ids []int32) {
	for lo := 0; lo < k.n; lo += k.block {
		hi := min(k.n, lo+k.block)
		k.team.split(hi-lo, tileRows, func(_, a, z int) { k.rows(h, w, ids, lo, lo+a, lo+z) })
		if k.train && k.dw != nil {
			k.weights(h, lo, hi)
		}
	}
	sum := 0.0
	for _, l := range k.loss {
		sum += l
	}
	*k.mean = sum / float64(k.n)
}

// rows computes the losses of rows lo to hi, whose block begins at row base,
// and, in training, the gradients of their logits and of h.
func (k *head) rows(h, w []float32, ids []int32, base, lo, hi int) {
	logits := kernel.Dense(k.logits, k.block, k.vocab).Sub(lo-base, hi-base)
	kernel.Mul(logits, kernel.Dense(h, k.n, k.dim).Sub(lo, hi), kernel.Dense(w, k.vocab, k.dim).T())
	share := 1 / float32(k.n)
	for i := lo; i < hi; i++ {
		x := row(k.logits, i-base, k.vocab)
		target := x[ids[i]]
		top, sum := kernel.Softmax(x, 1)
		k.loss[i] = math.Log(float64(sum)) + float64(top) - float64(target)
		if k.train {
			x[ids[i]]--
		}
	}
	if k.train {
		dh := kernel.Dense(k.dh, k.n, k.dim).Sub(lo, hi)
		kernel.Mul(dh, logits, kernel.Dense(w, k.vocab, k.dim))
		kernel.Scale(k.dh[lo*k.dim:hi*k.dim], share)
	}
}

// weights adds the share of rows lo to hi to the gradient of w.
func (k *head) weights(h []float32, lo, hi int) {
	k.team.split(k.vocab, tileRows, func(_, a, z int) {
		dw := kernel.Dense(k.dw, k.vocab, k.dim).Sub(a, z)
		dl := kernel.Dense(k.logits, hi-lo, k.vocab).T().Sub(a, z)
		if x := kernel.Dense(h, k.n, k.dim).Sub(lo, hi); lo == 0 {
			kernel.Mul(dw, dl, x)
		} else {
			kernel.MulAdd(dw, dl, x)
		}
		if hi == k.n {
			kernel.Scale(k.dw[a*k.dim:z*k.dim], 1/float32(k.n))
		}
	})
}
