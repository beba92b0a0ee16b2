package model

// This file holds what each stage adds to an account: a Builder that allocates
// nothing. Its sizes follow lode/engine/cpu, stage by stage.

import (
	"fmt"

	"lode/engine"
)

// graph adds up what an engine holds for one shape of batch, in numbers of four bytes.
type graph struct {
	trace    *Trace
	load     Load
	n        int64 // positions
	steps    int64
	threads  int64
	again    bool // values inside segments are computed again
	segments []Segment
	at       Value // made last
	kept     int64
	own      ledger // buffers of this graph
	shared   ledger // those of all
}

var _ Builder = (*graph)(nil)

// What the engine works on at a time.
const (
	packedValues = 1 << 22 // of an operand of a product
	headValues   = 1 << 20 // predictions, but at least of headRows positions
	headRows     = 256
	queryRows    = 48      // queries that meet their keys
	normRows     = 64      // rows whose gradients are added up first
	convParts    = 8       // parts of the gradient of filters
	blockValues  = 5 << 16 // of each thread, for a block of a product
)

func newGraph(t *Trace, l Load, w Work, shared ledger) *graph {
	g := &graph{trace: t, load: l, steps: 1, threads: int64(max(1, w.Threads)), again: w.Recompute, segments: t.Segments(), own: ledger{}, shared: shared}
	inputs, targets := t.of.Takes()
	if inputs.Series {
		g.steps = int64(l.Steps)
	}
	g.n = int64(l.Rows) * g.steps
	for _, p := range []engine.Port{inputs, targets} {
		width := product(p.Shape)
		if p.Series { // a number for each position
			width = 1
		}
		g.kept += g.n * int64(width)
	}
	_, widths := t.Slots()
	for _, width := range widths {
		g.kept += g.n * int64(width)
	}
	shared.most("blocks", g.threads*blockValues)
	return g
}

// width returns the width of a value.
func (g *graph) width(x Value) int64 { return int64(g.trace.Values[x].Width()) }

// add adds the next value. Where there is no gradient it lies in a slot.
func (g *graph) add() Value {
	g.at++
	numbers := g.n * g.width(g.at)
	switch place := g.segments[g.at].Place; {
	case !g.load.Gradient:
	case g.again && place > 0:
		g.own.most(fmt.Sprintf("value %d of a segment, %d", place, numbers), numbers)
	default:
		g.kept += numbers
	}
	return g.at
}

// keep adds numbers that the backward pass reads, or that stages share without one.
func (g *graph) keep(name string, n int64) {
	if g.load.Gradient {
		g.kept += n
	} else {
		g.own.most(name, n)
	}
}

// setting notes that a stage sets the gradient of x, to which a residual may add.
func (g *graph) setting(x Value) {
	if g.load.Gradient && g.trace.Values[x].Last > g.at {
		g.own.most("share of a residual", g.n*g.width(x))
	}
}

// multiply notes a product whose right operand has that size.
func (g *graph) multiply(rows, cols int64) {
	g.shared.most("packed", min(packedValues, rows*(cols+31)/32*32))
}

// matrix notes the products with a weight, forward and back.
func (g *graph) matrix(out, in int64) {
	g.multiply(in, out)
	if g.load.Gradient {
		g.multiply(out, in)
		g.multiply(g.n, in)
	}
}

// Inputs implements Builder.
func (g *graph) Inputs() Value {
	g.at++
	return g.at
}

// Flatten implements Builder: the same numbers.
func (g *graph) Flatten(Value) Value {
	g.at++
	return g.at
}

// Embed implements Builder.
func (g *graph) Embed(string, int, int) Value { return g.add() }

// RMSNorm implements Builder.
func (g *graph) RMSNorm(_ string, x Value, _ float64) Value {
	g.keep("roots", g.n)
	if g.load.Gradient {
		g.kept += (g.n + normRows - 1) / normRows * g.width(x)
	}
	return g.add()
}

// Linear implements Builder.
func (g *graph) Linear(x Value, _ Linear) Value {
	y := g.add()
	g.setting(x)
	g.matrix(g.width(y), g.width(x))
	return y
}

// Attention implements Builder.
func (g *graph) Attention(x Value, h Heads) Value {
	dim := int64(h.Dim(int(g.width(x))))
	g.own.most(fmt.Sprint("tables ", h), 3*g.steps*(dim/2))
	g.keep("sums of scores", g.n*int64(h.Query))
	strips, panels := int64(1), int64(2)
	if g.load.Gradient {
		strips, panels = 2, 3
	}
	g.own.most("strips", g.threads*strips*queryRows*g.steps)
	g.own.most("heads", g.threads*panels*(g.steps+31)*(dim+31))
	y := g.add()
	if g.trace.Values[x].Last > y {
		g.keep("turned", g.n*g.width(x))
	}
	g.setting(x)
	return y
}

// SwiGLU implements Builder.
func (g *graph) SwiGLU(x Value) Value { return g.plain(x) }

// Activate implements Builder.
func (g *graph) Activate(x Value, _ Activation) Value { return g.plain(x) }

// plain is a stage that works in nothing but its values.
func (g *graph) plain(x Value) Value {
	y := g.add()
	g.setting(x)
	return y
}

// Conv2D implements Builder.
func (g *graph) Conv2D(x Value, c Conv) Value {
	y := g.plain(x)
	taps := int64(g.trace.Values[x].Shape[0]) * int64(c.Size) * int64(c.Size)
	windows := g.width(y) / int64(c.Out)
	g.own.most("columns", g.threads*taps*windows)
	if g.load.Gradient {
		g.own.most("parts of filters", convParts*int64(c.Out)*taps)
	}
	return y
}

// Pool implements Builder.
func (g *graph) Pool(x Value, p Pool) Value {
	y := g.plain(x)
	if !p.Mean {
		g.kept += g.n * g.width(y)
	}
	return y
}

// CrossEntropy implements Builder.
func (g *graph) CrossEntropy(x Value, _ Head) {
	_, targets := g.trace.of.Takes()
	g.head(x, int64(targets.Limit))
}

// SquaredError implements Builder.
func (g *graph) SquaredError(x Value, _ Head) {
	_, targets := g.trace.of.Takes()
	g.head(x, int64(product(targets.Shape)))
}

// head adds predictions of a block of positions, and losses of all.
func (g *graph) head(x Value, wide int64) {
	block := min(g.n, max(headValues/wide, headRows))
	g.kept += block*wide + 2*g.n + (g.n+3)/4
	g.multiply(g.width(x), wide)
	if g.load.Gradient {
		g.multiply(wide, g.width(x))
		g.multiply(block, g.width(x))
	}
}
