package aggregation

// This file holds the merge itself: chunk by chunk from contributions to a step.

import (
	"fmt"
	"runtime"
	"sync"

	"lode/gradient"
	"lode/tensor"
)

// Source gives out an update part by part: a *gradient.Update, which is in
// memory, or a *gradient.Stored, which is not.
type Source interface {
	Layout() tensor.Layout
	Params() gradient.Params
	NumKept() int
	// Load returns a part that holds at least the chunks from first to last. It
	// may reuse old, which it returned before and which is not used any more.
	Load(first, last tensor.Chunk, old *gradient.Part) (*gradient.Part, error)
}

// Contribution is one accepted update and the factor it is clipped by.
type Contribution struct {
	Update Source
	Clip   gradient.Clip // at most gradient.Unclipped
}

// Merge combines contributions under cfg and brings state up to date. The order
// of contributions and the number of cores do not matter. With no contribution
// the step is all zero and state stays as it is. state may be nil for an
// optimizer that has none.
//
// An error before the first write to state leaves it untouched; after an error
// from state itself its content is mixed and must be thrown away.
func Merge(l tensor.Layout, cfg Config, contributions []Contribution, state State) (*Step, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := checkContributions(l, cfg, contributions); err != nil {
		return nil, err
	}
	rule, _ := newRule(cfg.Rule) // Validate has seen both
	opt, _ := newOptimizer(cfg)
	if opt.NumPlanes() > 0 && state == nil {
		return nil, fmt.Errorf("aggregation: optimizer %q needs a state: %w", cfg.Optimizer, gradient.ErrParams)
	}
	m := &merger{cfg: cfg, rule: rule, opt: opt, from: contributions, parts: make([]*gradient.Part, len(contributions)), state: state}
	b := newStepBuilder(l, cfg)
	b.reserve(m.maxMoved(l))
	if err := m.run(l, b); err != nil {
		return nil, err
	}
	return b.step(), nil
}

func checkContributions(l tensor.Layout, cfg Config, contributions []Contribution) error {
	if len(contributions) > cfg.MaxWorkers {
		return fmt.Errorf("aggregation: %d contributions, at most %d: %w", len(contributions), cfg.MaxWorkers, gradient.ErrParams)
	}
	for i, c := range contributions {
		switch {
		case !gradient.SameLayout(c.Update.Layout(), l):
			return fmt.Errorf("aggregation: contribution %d: %w", i, gradient.ErrLayout)
		case c.Update.Params() != cfg.Params:
			return fmt.Errorf("aggregation: contribution %d is encoded with %+v, not %+v: %w", i, c.Update.Params(), cfg.Params, gradient.ErrParams)
		case c.Clip > gradient.Unclipped:
			return fmt.Errorf("aggregation: contribution %d has clip factor %d, above 1: %w", i, c.Clip, gradient.ErrParams)
		}
	}
	return nil
}

// batchPerLane is the number of chunks a core works on between two visits to
// state and contributions. It bounds memory and changes no result.
const batchPerLane = 16

// merger is one call to Merge.
type merger struct {
	cfg   Config
	rule  Rule
	opt   Optimizer
	from  []Contribution
	parts []*gradient.Part // of each contribution, those of the batch at work
	state State
}

// maxMoved bounds how many parameters the step moves.
func (m *merger) maxMoved(l tensor.Layout) int {
	if m.opt.NumPlanes() > 0 && len(m.from) > 0 {
		return l.Len() // momentum moves what nobody names
	}
	n := 0
	for _, c := range m.from {
		n = min(n+c.Update.NumKept(), l.Len())
	}
	return n
}

// slot holds one chunk on its way.
type slot struct {
	chunk  tensor.Chunk
	vals   [tensor.ChunkLen]int64
	planes [][]int64
	out    chunkBytes
}

// lane is the scratch space of one core.
type lane struct {
	rows    []Row
	entries []gradient.Entry
}

// run fills batches of slots in order, has the lanes work on them, and takes
// the results in order.
func (m *merger) run(l tensor.Layout, b *stepBuilder) error {
	lanes := make([]lane, max(1, min(runtime.GOMAXPROCS(0), l.NumChunks()/batchPerLane)))
	slots := make([]slot, min(len(lanes)*batchPerLane, max(1, l.NumChunks())))
	n := 0
	for c := range l.Chunks() {
		slots[n].chunk = c
		if n++; n == len(slots) {
			if err := m.batch(slots, lanes, b); err != nil {
				return err
			}
			n = 0
		}
	}
	return m.batch(slots[:n], lanes, b)
}

func (m *merger) batch(slots []slot, lanes []lane, b *stepBuilder) error {
	if len(slots) == 0 {
		return nil
	}
	if len(m.from) > 0 {
		if err := m.fetch(slots[0].chunk, slots[len(slots)-1].chunk); err != nil {
			return err
		}
		for i := range slots {
			if err := m.load(&slots[i]); err != nil {
				return err
			}
		}
	}
	var wait sync.WaitGroup
	for i := range lanes {
		wait.Go(func() { // ends with its share of the slots
			for j := i; j < len(slots); j += len(lanes) {
				m.work(&slots[j], &lanes[i])
			}
		})
	}
	wait.Wait()
	for i := range slots {
		s := &slots[i]
		if len(m.from) > 0 {
			for p, vals := range s.planes {
				if err := m.state.WritePlane(p, s.chunk, vals); err != nil {
					return fmt.Errorf("aggregation: write state plane %d, tensor %d chunk %d: %w", p, s.chunk.Tensor, s.chunk.Index, err)
				}
			}
		}
		b.add(&s.out)
	}
	return nil
}

// fetch loads what the contributions hold of a batch.
func (m *merger) fetch(first, last tensor.Chunk) error {
	for w, from := range m.from {
		var err error
		if m.parts[w], err = from.Update.Load(first, last, m.parts[w]); err != nil {
			return fmt.Errorf("aggregation: contribution %d: %w", w, err)
		}
	}
	return nil
}

// load reads the state of a slot's chunk.
func (m *merger) load(s *slot) error {
	if s.planes == nil {
		s.planes = make([][]int64, m.opt.NumPlanes())
	}
	for p := range s.planes {
		if cap(s.planes[p]) == 0 {
			s.planes[p] = make([]int64, tensor.ChunkLen)
		}
		s.planes[p] = s.planes[p][:s.chunk.Len]
		if err := m.state.ReadPlane(p, s.chunk, s.planes[p]); err != nil {
			return fmt.Errorf("aggregation: read state plane %d, tensor %d chunk %d: %w", p, s.chunk.Tensor, s.chunk.Index, err)
		}
		for _, v := range s.planes[p] {
			if v > stateBound || v < -stateBound {
				return fmt.Errorf("aggregation: state plane %d, tensor %d chunk %d: %d is out of range: %w",
					p, s.chunk.Tensor, s.chunk.Index, v, gradient.ErrMalformed)
			}
		}
	}
	return nil
}

// work merges one chunk.
func (m *merger) work(s *slot, ln *lane) {
	vals := s.vals[:s.chunk.Len]
	clear(vals)
	if len(m.from) > 0 {
		m.rule.Combine(vals, m.gather(ln, s.chunk))
		m.opt.Advance(vals, s.planes)
	}
	s.out.quantise(vals, m.cfg)
}

// gather returns what the contributions hold of c, valid until the next call.
func (m *merger) gather(ln *lane, c tensor.Chunk) []Row {
	if ln.rows == nil {
		ln.rows = make([]Row, len(m.from))
	}
	for w, from := range m.from {
		var exp int
		ln.entries, exp = m.parts[w].Entries(ln.entries[:0], c)
		row := ln.rows[w][:0]
		for _, e := range ln.entries {
			row = append(row, Term{e.Pos, fixed(e.Value, exp, from.Clip, m.cfg.Unit)})
		}
		ln.rows[w] = row
	}
	return ln.rows
}
