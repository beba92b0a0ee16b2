package cpu

// This file holds the attention stage: rotary positions, causal softmax and
// grouped heads in one.

import (
	"math"

	"lode/engine/kernel"
	"lode/engine/model"
)

// queryRows is how many queries meet their keys at a time. Keys after the last of
// them are skipped.
const queryRows = 48

// attention works on rows of queries, keys and values next to each other. As in
// FlashAttention (Dao and others, arXiv:2205.14135) no square of steps × steps is
// ever kept: a strip of a few queries meets all keys before it, its probabilities
// are used at once, and the backward pass computes them again from one number for
// each query. A strip is short enough for the caches, so it needs no running maximum.
type attention struct {
	*builder
	tables
	model.Heads
	wide       int       // values of one row of qkv
	hd         int       // head dim
	dim, kvDim int       // values of all query heads, of all key heads
	group      int       // query heads per key head
	logSums    []float32 // of each row, head and query: log Σ exp of its scores
	qkv, out   []float32
	dqkv       []float32
	members    []strips
}

// strips is what one member of the team works in.
type strips struct {
	probs, grads []float32 // [queryRows, steps]
	a, b, c      []float32 // keys and values, packed
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
		qkv: x.data, out: y.data, dqkv: x.grad, logSums: b.keep("sums of scores", b.n()*h.Query), members: b.strips(),
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

// strips returns what members work in, the same for all attention stages of a graph.
func (b *builder) strips() []strips {
	for range b.team.size - len(b.members) {
		w := strips{probs: make([]float32, queryRows*b.steps)}
		if b.train {
			w.grads = make([]float32, queryRows*b.steps)
		}
		b.members = append(b.members, w)
	}
	return b.members
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
	a.team.share(a.rows*heads, func(member, i int) {
		q, k, v := a.heads(a.qkv, i/heads, i%heads)
		w := &a.members[member]
		keys, values := panels(&w.a, k.T()), panels(&w.b, v)
		out := a.part(a.out, i/heads, i%heads*a.hd, a.dim)
		for lo := 0; lo < a.steps; lo += queryRows {
			hi := min(a.steps, lo+queryRows)
			probs := a.strip(w.probs, lo, hi)
			kernel.MulPanels(probs, q.Sub(lo, hi), keys.Columns(0, hi), false)
			a.weigh(probs, lo, row(a.logSums, i, a.steps))
			kernel.MulPanels(out.Sub(lo, hi), probs, values.Sub(0, hi), false)
		}
	})
}

// panels packs m in memory of its own.
func panels(buf *[]float32, m kernel.View) (p kernel.Panels) {
	p, *buf = kernel.NewPanels(*buf, m.Rows, m.Cols)
	p.Fill(m, 0, m.Cols)
	return p
}

// strip is where queries lo to hi meet keys up to hi.
func (a *attention) strip(data []float32, lo, hi int) kernel.View {
	return kernel.View{Data: data, Rows: hi - lo, Cols: hi, RowStep: a.steps, ColStep: 1}
}

func (a *attention) scale() float32 { return float32(1 / math.Sqrt(float64(a.hd))) }

// weigh turns the scores of queries from lo on into probabilities.
func (a *attention) weigh(scores kernel.View, lo int, logSums []float32) {
	for i := range scores.Rows {
		r, at := row(scores.Data, i, a.steps)[:scores.Cols], lo+i
		top, sum := kernel.Softmax(r[:at+1], a.scale())
		logSums[at] = top + float32(math.Log(float64(sum)))
		clear(r[at+1:])
	}
}

func (a *attention) backward(dout []float32) {
	kvHeads := a.KV
	a.team.share(a.rows*kvHeads, func(member, i int) {
		batch, w := i/kvHeads, &a.members[member]
		_, k, v := a.heads(a.qkv, batch, i%kvHeads*a.group)
		p := packedHead{panels(&w.a, k.T()), panels(&w.b, k), panels(&w.c, v.T())}
		for g := range a.group {
			a.headBack(w, p, dout, batch, i%kvHeads*a.group+g, g > 0)
		}
	})
	a.rotate(a.dqkv, a.neg)
}

// packedHead is one key head as the backward pass multiplies it.
type packedHead struct{ keysT, keys, valuesT kernel.Panels }

// headBack sets the gradients of one query head and sets, or adds to, those of
// its key head.
func (a *attention) headBack(w *strips, p packedHead, dout []float32, batch, h int, add bool) {
	q, _, _ := a.heads(a.qkv, batch, h)
	dq, dk, dv := a.heads(a.dqkv, batch, h)
	do, out := a.part(dout, batch, h*a.hd, a.dim), a.part(a.out, batch, h*a.hd, a.dim)
	logSums := row(a.logSums, batch*a.Query+h, a.steps)
	// From the last strip on, which meets all keys and so sets all their gradients.
	for lo := (a.steps - 1) / queryRows * queryRows; lo >= 0; lo -= queryRows {
		hi := min(a.steps, lo+queryRows)
		probs, ds := a.strip(w.probs, lo, hi), a.strip(w.grads, lo, hi)
		kernel.MulPanels(probs, q.Sub(lo, hi), p.keysT.Columns(0, hi), false)
		kernel.MulPanels(ds, do.Sub(lo, hi), p.valuesT.Columns(0, hi), false)
		for i := range hi - lo {
			at := lo + i
			pr, dr := row(w.probs, i, a.steps)[:hi], row(w.grads, i, a.steps)[:hi]
			mean := kernel.Dot(do.Data[at*do.RowStep:][:a.hd], out.Data[at*out.RowStep:][:a.hd])
			kernel.SoftmaxBack(dr[:at+1], pr[:at+1], a.scale(), logSums[at], mean)
			clear(pr[at+1:])
			clear(dr[at+1:])
		}
		kernel.MulPanels(dq.Sub(lo, hi), ds, p.keys.Sub(0, hi), false)
		multiply := kernel.Mul
		if add || hi < a.steps {
			multiply = kernel.MulAdd
		}
		multiply(dv.Sub(0, hi), probs.T(), do.Sub(lo, hi))
		multiply(dk.Sub(0, hi), ds.T(), q.Sub(lo, hi))
	}
}
