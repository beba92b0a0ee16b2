package cpu

// This file holds the attention stage: rotary positions, causal softmax and
// grouped heads in one.

import (
	"math"

	"lode/engine/kernel"
	"lode/engine/model"
)

// keepSteps is the longest sequence whose attention probabilities are kept for
// the backward pass. Beyond it they are computed again, a third more work for the
// stage, so that memory grows with the steps and not with their square.
const keepSteps = 256

// queryRows is how many queries are multiplied at a time. Keys after the last of
// them are skipped.
const queryRows = 64

// attention works on rows of queries, keys and values next to each other.
type attention struct {
	*builder
	tables
	model.Heads
	wide       int       // values of one row of qkv
	hd         int       // head dim
	dim, kvDim int       // values of all query heads, of all key heads
	group      int       // query heads per key head
	kept       bool      // probabilities of all heads are kept
	probs      []float32 // one [steps, steps] square per row and head if kept, else per thread
	square     []float32 // one square per thread, for backward
	qkv, out   []float32
	dqkv       []float32
}

// Attention implements model.Builder.
func (b *builder) Attention(of model.Value, h model.Heads) model.Value {
	x, y := b.values[of], b.next()
	hd := h.Dim(x.width)
	t, ok := b.tables[h]
	if !ok {
		t = newTables(h.Theta, hd/2, b.steps)
		b.tables[h] = t
	}
	a := &attention{
		builder: b, tables: t, Heads: h, wide: x.width, hd: hd, dim: h.Query * hd, kvDim: h.KV * hd, group: h.Query / h.KV,
		kept: b.train && b.steps <= keepSteps, qkv: x.data, out: y.data, dqkv: x.grad,
	}
	if a.kept {
		a.probs = make([]float32, b.rows*h.Query*b.steps*b.steps)
	} else {
		a.probs = b.share("probabilities", int(b.team)*b.steps*b.steps)
	}
	if b.train {
		a.square = b.share("square", int(b.team)*b.steps*b.steps)
	}
	s := stage{name: "attention"}
	if b.trace.Values[of].Last > model.Value(len(b.values)) { // others need what the rotation turns
		a.qkv = b.keep("turned", len(x.data))
	}
	s.forward = func(v [][]float32) {
		copy(a.qkv, v[0]) // costs nothing where they are the same
		a.forward()
	}
	s.differentiate(x.gradient())
	s.backward = b.setting(of, func(_ [][]float32, dy []float32) { a.backward(dy) })
	return b.add(y, s, x.node)
}

// rotate turns queries and keys of all rows of qkv by their positions.
func (a *attention) rotate(qkv, sin []float32) {
	h, turned := a.hd/2, a.dim+a.kvDim
	a.team.split(a.rows*a.steps, 16, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			at := i % a.steps
			kernel.Rotate(row(qkv, i, a.wide)[:turned], row(a.cos, at, h), row(sin, at, h))
		}
	})
}

// part is the view of one head's queries, keys or values in one row of the
// batch: offset is where the head begins in a row of data.
func (a *attention) part(data []float32, batch, offset, wide int) kernel.View {
	return kernel.View{Data: data[batch*a.steps*wide+offset:], Rows: a.steps, Cols: a.hd, RowStep: wide, ColStep: 1}
}

// heads returns the views of query head h and its key head.
func (a *attention) heads(data []float32, batch, h int) (q, k, v kernel.View) {
	kv := h / a.group * a.hd
	return a.part(data, batch, h*a.hd, a.wide), a.part(data, batch, a.dim+kv, a.wide),
		a.part(data, batch, a.dim+a.kvDim+kv, a.wide)
}

func (a *attention) forward() {
	a.rotate(a.qkv, a.sin)
	heads := a.Query
	a.team.split(a.rows*heads, 1, func(member, lo, hi int) {
		for i := lo; i < hi; i++ {
			q, k, v := a.heads(a.qkv, i/heads, i%heads)
			out, probs := a.part(a.out, i/heads, i%heads*a.hd, a.dim), a.squareOf(member, i)
			a.weigh(probs, q, k)
			for lo := 0; lo < a.steps; lo += queryRows {
				hi := min(a.steps, lo+queryRows)
				kernel.Mul(out.Sub(lo, hi), a.seen(probs, lo, hi), v.Sub(0, hi))
			}
		}
	})
}

// squareOf returns the probabilities of the i-th row and head, which team member
// works on.
func (a *attention) squareOf(member, i int) []float32 {
	if !a.kept {
		i = member
	}
	return a.probs[i*a.steps*a.steps : (i+1)*a.steps*a.steps]
}

// seen is the part of a square in which queries lo to hi meet keys up to hi.
func (a *attention) seen(square []float32, lo, hi int) kernel.View {
	return kernel.View{Data: square[lo*a.steps:], Rows: hi - lo, Cols: hi, RowStep: a.steps, ColStep: 1}
}

// weigh computes the probabilities of one head over one row of the batch.
func (a *attention) weigh(probs []float32, q, k kernel.View) {
	scale := float32(1 / math.Sqrt(float64(a.hd)))
	for lo := 0; lo < a.steps; lo += queryRows {
		hi := min(a.steps, lo+queryRows)
		kernel.Mul(a.seen(probs, lo, hi), q.Sub(lo, hi), k.Sub(0, hi).T())
		for i := lo; i < hi; i++ {
			r := probs[i*a.steps : i*a.steps+hi]
			kernel.Softmax(r[:i+1], scale)
			clear(r[i+1:])
		}
	}
}

func (a *attention) backward(dout []float32) {
	kvHeads, square := a.KV, a.steps*a.steps
	a.team.split(a.rows*kvHeads, 1, func(member, lo, hi int) {
		ds := a.square[member*square : (member+1)*square]
		for i := lo; i < hi; i++ {
			for g := range a.group {
				batch, h := i/kvHeads, i%kvHeads*a.group+g
				probs := a.squareOf(member, batch*a.Query+h)
				if !a.kept {
					q, k, _ := a.heads(a.qkv, batch, h)
					a.weigh(probs, q, k)
				}
				a.headBack(dout, ds, probs, batch, h, g > 0)
			}
		}
	})
	a.rotate(a.dqkv, a.neg)
}

// headBack sets the gradients of one query head and sets, or adds to, those of
// its key head.
func (a *attention) headBack(dout, ds, probs []float32, batch, h int, add bool) {
	scale := float32(1 / math.Sqrt(float64(a.hd)))
	q, k, v := a.heads(a.qkv, batch, h)
	dq, dk, dv := a.heads(a.dqkv, batch, h)
	do := a.part(dout, batch, h*a.hd, a.dim)
	for lo := 0; lo < a.steps; lo += queryRows {
		hi := min(a.steps, lo+queryRows)
		d := a.seen(ds, lo, hi)
		kernel.Mul(d, do.Sub(lo, hi), v.Sub(0, hi).T())
		for i := lo; i < hi; i++ {
			r := ds[i*a.steps : i*a.steps+hi]
			kernel.SoftmaxBack(r[:i+1], probs[i*a.steps:i*a.steps+i+1], scale)
			clear(r[i+1:])
		}
		kernel.Mul(dq.Sub(lo, hi), d, k.Sub(0, hi))
	}
	multiply := kernel.Mul
	if add {
		multiply = kernel.MulAdd
	}
	for lo := 0; lo < a.steps; lo += queryRows { // keys lo to hi are seen by queries from lo on
		hi := min(a.steps, lo+queryRows)
		seers := func(square []float32) kernel.View {
			return kernel.View{Data: square[lo*a.steps+lo:], Rows: hi - lo, Cols: a.steps - lo, RowStep: 1, ColStep: a.steps}
		}
		multiply(dv.Sub(lo, hi), seers(probs), do.Sub(lo, a.steps))
		multiply(dk.Sub(lo, hi), seers(ds), q.Sub(lo, a.steps))
	}
}
