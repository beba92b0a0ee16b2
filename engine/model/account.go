package model

// This file holds what working on a model takes: an account of bytes, made before
// anything is allocated.

// Work is what an engine does with a model.
type Work struct {
	Loads     []Load
	Threads   int    // at least 1
	Frozen    []bool // of each tensor; nil freezes none
	Muon      bool   // hidden matrices take Muon steps
	MicroRows int    // rows of a batch that are worked on at a time; 0 is all
	Recompute bool   // values between residuals are computed again, not kept
}

// Load is batches of one shape.
type Load struct {
	Rows, Steps int  // Steps are the tokens of a row, and 1 unless inputs are a series
	Gradient    bool // of the loss; else the loss alone
}

// Account is the bytes that an engine holds at a time.
type Account struct {
	State  int64 // parameters, gradient, its sum over parts of a batch, moments
	Values int64 // what a batch's stages make and the backward pass reads, and their gradients
	Work   int64 // what stages and the optimizer work in: columns, predictions, packed operands
}

// Total returns all of it.
func (a Account) Total() int64 { return a.State + a.Values + a.Work }

// Account returns what lode/engine/cpu holds for such work, within 15 % and a few
// megabytes; its tests say so. Buffers for each shape of batch stay, so those of all
// loads add up. Of an [Outside] model only the state is known.
func (t *Trace) Account(w Work) (a Account) {
	a.State = 4 * t.state(w)
	if _, ok := t.of.(Outside); ok {
		return a
	}
	shared := ledger{}
	if w.Muon {
		t.muon(shared)
	}
	for load := range w.shapes() {
		g := newGraph(t, load, w, shared)
		t.of.Build(g)
		a.Values += 4 * g.kept
		a.Work += 4*g.own.sum() + perStage*int64(len(t.Values))
	}
	a.Work += 4 * shared.sum()
	return a
}

// perStage is what a graph's nodes for one stage take, in bytes.
const perStage = 24 << 10

// state returns the numbers that do not depend on batches.
func (t *Trace) state(w Work) (n int64) {
	for i, weight := range t.Weights {
		size := int64(weight.Len())
		if n += 2 * size; w.MicroRows > 0 {
			n += size
		}
		if w.Frozen == nil || !w.Frozen[i] {
			n += 2 * size
		}
	}
	return n
}

// muon adds what a Muon step works in.
func (t *Trace) muon(to ledger) {
	for _, w := range t.Weights {
		if w.Hidden && len(w.Shape) > 1 {
			rows := int64(w.Shape[0])
			side := min(rows, int64(w.Len())/rows)
			to.most("matrix", 2*int64(w.Len()))
			to.most("squares", 2*side*side)
		}
	}
}

// shapes yields the shapes in which batches are taken, each once: parts of about the
// same length, the last one shorter.
func (w Work) shapes() map[Load]bool {
	all := map[Load]bool{}
	for _, l := range w.Loads {
		if l.Rows < 1 {
			continue
		}
		num := 1
		if w.MicroRows > 0 {
			num = (l.Rows + w.MicroRows - 1) / w.MicroRows
		}
		part := l
		part.Rows = (l.Rows + num - 1) / num
		all[part] = true
		if part.Rows = l.Rows % part.Rows; part.Rows > 0 {
			all[part] = true
		}
	}
	return all
}

// ledger holds the largest number of each of several buffers.
type ledger map[string]int64

func (l ledger) most(name string, n int64) { l[name] = max(l[name], n) }

func (l ledger) sum() (n int64) {
	for _, v := range l {
		n += v
	}
	return n
}
