package aggregation

// This file holds the merge itself: from contributions to a step.

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"math/bits"
	"slices"

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

// Whole returns all of an update: read now, if it is not in memory.
func Whole(s Source) (*gradient.Part, error) {
	var first, last tensor.Chunk
	for c := range s.Layout().Chunks() {
		if c.Offset == 0 {
			first = c
		}
		last = c
	}
	return s.Load(first, last, nil)
}

// Contribution is one accepted update and what it counts for.
type Contribution struct {
	Update Source
	Clip   gradient.Clip // factor it is multiplied by; at most gradient.Unclipped
	// Samples is the weight in a mean by samples: 0 counts as 1, what is above
	// Config.MaxSamples as that.
	Samples uint32
	// Stale is how many rounds old the model was that the update was made from:
	// the update is multiplied by 1/√(1 + Stale), rounded down to a multiple of
	// 2^−32 (FedBuff, Nguyen et al. 2022, arXiv:2106.06639, section 3).
	Stale uint32
}

// factor returns what all values of the contribution are multiplied by.
func (c Contribution) factor() gradient.Clip {
	age := gradient.Norm{Lo: 1 + uint64(c.Stale)}
	return times(c.Clip, age.ClipTo(gradient.Norm{Lo: 1}))
}

// times returns the product, rounded down.
func times(a, b gradient.Clip) gradient.Clip {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return gradient.Clip(hi<<32 | lo>>32)
}

// Merge combines contributions under cfg and brings state up to date. The order
// of contributions and the number of cores do not matter. With no contribution
// the step is all zero and state stays as it is. state may be nil for an
// optimizer that has none.
//
// An error before the first write to state leaves it untouched; after an error
// from state itself its content is mixed and must be thrown away.
func Merge(l tensor.Layout, cfg Config, contributions []Contribution, state State) (*Step, error) {
	m, err := newMerger(l, cfg, contributions)
	if err != nil {
		return nil, err
	}
	if len(m.planes) > 0 && state == nil {
		return nil, fmt.Errorf("aggregation: optimizer %q or a thin step needs a state: %w", cfg.Optimizer, gradient.ErrParams)
	}
	m.state = state
	b := newStepBuilder(l, cfg)
	b.reserve(m.maxMoved())
	err = m.run(pass{prepare: m.load, work: m.advance, finish: func(s *slot) error {
		b.add(&s.out)
		return m.store(s)
	}})
	if err != nil {
		return nil, err
	}
	return b.step(), nil
}

// Combine writes what the rule makes of contributions to dst, of length D, in
// units of 2^−Unit: a merge up to the optimizer. It is for the study of rules.
func Combine(dst []int64, l tensor.Layout, cfg Config, contributions []Contribution) error {
	m, err := newMerger(l, cfg, contributions)
	if err != nil {
		return err
	}
	return m.run(pass{work: func(s *slot, ln *lane) {
		m.combine(dst[s.chunk.Offset:s.chunk.Offset+s.chunk.Len], ln)
	}})
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
			return fmt.Errorf("aggregation: contribution %d is encoded with %v, not %v: %w", i, c.Update.Params(), cfg.Params, gradient.ErrParams)
		case c.Clip > gradient.Unclipped:
			return fmt.Errorf("aggregation: contribution %d has clip factor %d, above 1: %w", i, c.Clip, gradient.ErrParams)
		}
	}
	return nil
}

// merger is one merge.
type merger struct {
	layout tensor.Layout
	cfg    Config
	plan   plan
	opt    Optimizer
	planes []Range // of the state
	state  State
}

// newMerger checks everything and makes the plan, for which it may go over the
// contributions once.
func newMerger(l tensor.Layout, cfg Config, contributions []Contribution) (*merger, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := checkContributions(l, cfg, contributions); err != nil {
		return nil, err
	}
	from := slices.Clone(contributions)
	for i, c := range from {
		from[i].Clip = c.factor()
	}
	opt, _ := newOptimizer(cfg) // Validate has seen it
	m := &merger{layout: l, cfg: cfg, plan: plan{from: from}, opt: opt, planes: statePlanes(opt, cfg)}
	if len(from) == 0 {
		return m, nil
	}
	var g *gram
	if needs, normsOnly := cfg.needsGram(); needs {
		var err error
		if m.plan.from, g, err = m.gram(normsOnly); err != nil {
			return nil, err
		}
	}
	m.plan = cfg.plan(m.plan.from, g)
	return m, nil
}

// maxMoved bounds how many parameters the step moves.
func (m *merger) maxMoved() int {
	if len(m.plan.from) == 0 {
		return 0
	}
	if len(m.planes) > 0 { // momentum moves what nobody names
		return mostMoved(m.layout, m.cfg)
	}
	n := 0
	for _, c := range m.plan.from {
		n = min(n+c.Update.NumKept(), m.layout.Len())
	}
	return n
}

// combine makes one row, dst, of the rows of the chunk at work.
func (m *merger) combine(dst []int64, ln *lane) {
	clear(dst)
	if len(m.plan.from) > 0 {
		m.plan.combiner.combine(dst, ln.table(m.plan.blends), &ln.scratch)
	}
}

// advance makes a chunk of the step.
func (m *merger) advance(s *slot, ln *lane) {
	vals := ln.vals[:s.chunk.Len]
	m.combine(vals, ln)
	if len(m.plan.from) == 0 {
		s.out.quantise(vals, m.cfg)
		return
	}
	m.opt.Advance(vals, s.planes)
	if m.cfg.StepKeep == 0 {
		s.out.quantise(vals, m.cfg)
		return
	}
	waiting := s.planes[len(s.planes)-1]
	thin(vals, waiting, keptOf(m.layout.Spec(s.chunk.Tensor), s.chunk.Len, m.cfg), &ln.scratch)
	s.out.quantise(vals, m.cfg)
	s.out.takeFrom(waiting, m.cfg)
}

// gram makes the first pass: it returns the contributions in the order of their
// digests, and what rules may know of them.
func (m *merger) gram(normsOnly bool) ([]Contribution, *gram, error) {
	num := len(m.plan.from)
	hashes := make([]hash.Hash, num)
	for w := range hashes {
		hashes[w] = sha256.New()
	}
	total := newGramSums(num, normsOnly)
	err := m.run(pass{
		work: func(s *slot, ln *lane) {
			if ln.gram == nil {
				ln.gram = newGramSums(num, normsOnly)
			}
			rows := ln.rows.terms()
			ln.gram.add(rows, &ln.halves)
			s.digests = ln.gram.digests(s.digests, rows)
		},
		finish: func(s *slot) error {
			for w := range hashes {
				hashes[w].Write(s.digests[w][:])
			}
			return nil
		},
		leave: func(ln *lane) {
			if ln.gram != nil {
				total.plus(ln.gram)
			}
		},
	})
	if err != nil {
		return nil, nil, err
	}
	digests := make([][sha256.Size]byte, num)
	for w, h := range hashes {
		h.Sum(digests[w][:0])
	}
	order, g := total.sorted(digests)
	return at(m.plan.from, order), g, nil
}

// load reads the state of a slot's chunk.
func (m *merger) load(s *slot) error {
	if len(m.plan.from) == 0 {
		return nil
	}
	if s.planes == nil {
		s.planes = make([][]int64, len(m.planes))
	}
	for p, within := range m.planes {
		if cap(s.planes[p]) == 0 {
			s.planes[p] = make([]int64, tensor.ChunkLen)
		}
		s.planes[p] = s.planes[p][:s.chunk.Len]
		if err := m.state.ReadPlane(p, s.chunk, s.planes[p]); err != nil {
			return fmt.Errorf("aggregation: read state plane %d, tensor %d chunk %d: %w", p, s.chunk.Tensor, s.chunk.Index, err)
		}
		for _, v := range s.planes[p] {
			if v < within.Min || v > within.Max {
				return fmt.Errorf("aggregation: state plane %d, tensor %d chunk %d: %d is out of range: %w",
					p, s.chunk.Tensor, s.chunk.Index, v, gradient.ErrMalformed)
			}
		}
	}
	return nil
}

// store writes the state of a slot's chunk.
func (m *merger) store(s *slot) error {
	if len(m.plan.from) == 0 {
		return nil
	}
	for p, vals := range s.planes {
		if err := m.state.WritePlane(p, s.chunk, vals); err != nil {
			return fmt.Errorf("aggregation: write state plane %d, tensor %d chunk %d: %w", p, s.chunk.Tensor, s.chunk.Index, err)
		}
	}
	return nil
}
