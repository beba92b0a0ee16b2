package cuda

// This file holds what of a card's memory is taken, decided before anything is.

import (
	"fmt"
	"iter"
	"slices"

	"github.com/dustin/go-humanize"

	"lode/engine/cuda/driver"
	"lode/engine/model"
	"lode/tensor"
)

// Plan is how an engine works on a card, and what that takes, in bytes.
type Plan struct {
	Positions int   // that are worked on at a time: tokens, or rows of examples
	Recompute bool  // values between residuals are computed again in the backward pass
	Fixed     int64 // parameters, gradient, moments, and what cuBLASLt works in
	Values    int64 // what stages make for so many positions, and its gradients
	Muon      int64 // what Muon's steps work in; 0 without
	Vectors   int64 // what is kept for vectors that will be asked for
	Limit     int64 // what may be taken in all
	Cards     int   // of which each gives as much
}

// Total returns what each card gives.
func (p Plan) Total() int64 { return p.Fixed + p.Values + p.Muon + p.Vectors }

// String says it in one line.
func (p Plan) String() string {
	b := func(n int64) string { return humanize.Bytes(uint64(n)) }
	again := ""
	if p.Recompute {
		again = " (some computed again)"
	}
	who := "the card gives"
	if p.Cards > 1 {
		who = fmt.Sprintf("each of %d cards gives", p.Cards)
	}
	return fmt.Sprintf("%s %s of %s: %s for parameters, optimizer and cuBLASLt, %s for values of %d positions at a time%s, %s for vectors",
		who, b(p.Total()), b(p.Limit), b(p.Fixed+p.Muon), b(p.Values), p.Positions, again, b(p.Vectors))
}

// defaultPositions are worked on at a time where nobody says what batches will come.
const defaultPositions = 1 << 13

// positions returns the least that one pass can have, and the most that pays.
func positions(m model.Model, o Options) (least, most int) {
	inputs, _ := m.Takes()
	if least = 1; inputs.Series {
		least = inputs.Shape[0]
	}
	for _, l := range o.Loads {
		rows := l.Rows
		if o.MicroRows > 0 {
			rows = min(rows, o.MicroRows)
		}
		n := rows
		if inputs.Series {
			n *= l.Steps
		}
		most = max(most, n)
	}
	if most == 0 {
		if most = defaultPositions; o.MicroRows > 0 {
			most = o.MicroRows * least
		}
	}
	return least, max(least, most)
}

// build makes the largest program that fits, and says what it takes.
func build(m model.Model, t *model.Trace, l tensor.Layout, frozen []bool, o Options, limit int64) (*program, *muon, Plan, error) {
	least, n := positions(m, o)
	if o.workspace == 0 {
		o.workspace = workspaceBytes
	}
	if o.exchange == 0 {
		o.exchange = exchangeOf(l.Len())
	}
	var p Plan
	for w := range ways(least, n, hasSegments(t), o.again) {
		g, err := newProgram(m, t, l, frozen, options{positions: w.positions, half: o.Half, again: w.again, workspace: o.workspace, gap: o.gap, exchange: o.exchange, headRows: o.headRows})
		if err != nil {
			return nil, nil, Plan{}, err
		}
		mu := newMuon(g, o.gap)
		p = Plan{Positions: w.positions, Recompute: w.again, Fixed: fixed(g), Vectors: int64(o.Vectors) * 4 * int64(l.Len()), Limit: limit, Cards: 1}
		if p.Values = g.memory.bytes - p.Fixed; o.Muon {
			p.Muon = mu.memory.bytes
		}
		if p.Total() <= limit {
			return g, mu, p, nil
		}
	}
	return nil, nil, p, &driver.Error{
		Kind: driver.ErrMemory, What: fmt.Sprintf("training takes %s of the card at the least, and %s may be taken", humanize.Bytes(uint64(p.Total())), humanize.Bytes(uint64(limit))),
		Advice: "give more with --card-memory, end other programs on the card, or train a smaller model or shorter sequences",
	}
}

// enough positions at a time keep a card busy: rather than work on fewer, it computes
// values again, which costs a third more.
const enough = 1 << 12

// way is how to work.
type way struct {
	positions int
	again     bool
}

// ways yields how to work on at most n positions, the fastest first, each taking less memory
// than those before that keep as much.
func ways(least, n int, can, must bool) iter.Seq[way] {
	return func(yield func(way) bool) {
		for of := n; !must && (of == n || !can || of >= max(enough, least)); of = max(least, (of+1)/2) {
			if !yield(way{of, false}) || of == least && !can {
				return
			}
			if of == least {
				break
			}
		}
		for of := n; yield(way{of, true}) && of > least; {
			of = max(least, (of+1)/2)
		}
	}
}

// hasSegments tells whether a model has values that can be computed again.
func hasSegments(t *model.Trace) bool {
	return slices.ContainsFunc(t.Segments(), func(s model.Segment) bool { return s.Place > 0 })
}

// fixed returns the bytes of a program that do not depend on positions.
func fixed(g *program) int64 {
	n := int64(0)
	for _, b := range []buffer{g.params, g.grads, g.first, g.second, g.workspace, g.runs, g.squares, g.hyper, g.outcome, g.total, g.exchange, g.bad, g.scores, g.halves} {
		n += (b.bytes + alignment - 1) / alignment * alignment
	}
	return n
}
