package aggregation

// This file holds the table of merge rules, and how contributions and settings
// become a plan: which rows are combined, and by what.

import (
	"fmt"
	"math"
	"slices"

	"lode/gradient"
)

// Names of rules, as manifests have them; doc.go defines each.
const (
	Mean             = "mean"
	SignMajority     = "sign-majority"
	Median           = "median"
	TrimmedMean      = "trimmed-mean"
	Krum             = "krum"
	MultiKrum        = "multi-krum"
	Bulyan           = "bulyan"
	GeometricMedian  = "geometric-median"
	CentredClipping  = "centred-clipping"
	unboundedTrimmed = math.MaxInt // a trimmed mean with it is the median
)

// rule is what is known of a rule before there are rows.
type rule struct {
	name    string
	liars   bool // takes f
	whole   bool // looks at whole rows: needs their dot products
	byPlace bool // may leave out who does not send at a place
	// bears returns the largest f that n rows bear; below 0 the rule is the mean.
	bears func(n int) int
}

func half(n int) int { return (n - 1) / 2 }

func always(int) int { return 0 }

// atLeast keeps integer division from rounding a missing row away.
func atLeast(n, least, bears int) int {
	if n < least {
		return -1
	}
	return bears
}

var rules = []rule{
	{name: Mean, byPlace: true, bears: always},
	{name: SignMajority, byPlace: true, bears: always},
	{name: Median, byPlace: true, bears: always},
	{name: TrimmedMean, liars: true, byPlace: true, bears: half},
	{name: Krum, liars: true, whole: true, bears: func(n int) int { return atLeast(n, 3, (n-3)/2) }},
	{name: MultiKrum, liars: true, whole: true, bears: func(n int) int { return atLeast(n, 3, (n-3)/2) }},
	{name: Bulyan, liars: true, whole: true, bears: func(n int) int { return atLeast(n, 3, (n-3)/4) }},
	{name: GeometricMedian, whole: true, bears: always},
	{name: CentredClipping, whole: true, bears: always},
}

// Rules returns the names of all rules.
func Rules() []string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.name
	}
	return names
}

func findRule(name string) (rule, error) {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
	if i < 0 {
		return rule{}, fmt.Errorf("aggregation: no rule %q: %w", name, gradient.ErrParams)
	}
	return rules[i], nil
}

// NeedsWorkers returns with how many contributions at least a merge under c, which
// is valid, bears Liars of them. With fewer it bears fewer: Liars counts as the
// largest number that the rule, or mixing, bears, and where there is none the rule
// is the mean. A round is never held up.
func (c Config) NeedsWorkers() int {
	r, _ := findRule(c.Rule) // Validate has seen it
	for n := 1; ; n++ {
		if r.bears(c.numRows(n)) >= 0 && c.liars(n, r) >= c.Liars {
			return n
		}
	}
}

// numRows returns how many rows the rule gets of n contributions.
func (c Config) numRows(n int) int {
	if c.Bucket > 1 {
		return (n + c.Bucket - 1) / c.Bucket
	}
	return n
}

// liars returns the f that counts among n contributions.
func (c Config) liars(n int, r rule) int {
	f := c.Liars
	if r.liars {
		f = min(f, max(r.bears(c.numRows(n)), 0))
	}
	if c.Mix {
		f = min(f, half(n))
	}
	return f
}

// plan is what a merge does with each chunk.
type plan struct {
	from     []Contribution
	blends   []blend // rows to combine; nil: the contributions as they are
	combiner combiner
}

// needsGram tells whether a plan needs the rows' dot products, and whether those
// of rows with themselves are all it needs.
func (c Config) needsGram() (needs, normsOnly bool) {
	r, _ := findRule(c.Rule)
	all := r.whole || c.Mix || c.Bucket > 1
	return all || c.ClipNorms, !all
}

// plan returns the plan for contributions, of which there is at least one. g is
// their gram, in the same order, or nil where it is not needed.
func (c Config) plan(from []Contribution, g *gram) plan {
	r, _ := findRule(c.Rule)
	p := plan{from: from}
	f := c.liars(len(from), r)
	if c.ClipNorms {
		p.from, g = clipNorms(from, g)
	}
	if c.Mix {
		p.blends = g.neighbours(f)
	}
	if c.Bucket > 1 {
		p.blends = g.buckets(c.Bucket, c.Seed)
	}
	if p.blends != nil && r.whole {
		g = g.blended(p.blends)
	}
	p.combine(c, r, f, g)
	return p
}

// combine chooses the combiner, and for whole rows lets it choose among them.
func (p *plan) combine(c Config, r rule, f int, g *gram) {
	n := c.numRows(len(p.from))
	all := func(int) bool { return true }
	only := func(rows []int) blend {
		return evenly(n, func(w int) bool { return slices.Contains(rows, w) })
	}
	switch {
	case r.bears(n) < 0:
		p.blend(evenly(n, all))
	case r.name == Mean && c.Senders:
		p.combiner = byPlace{trimmed{0}, true}
	case r.name == Mean && c.MaxSamples > 0:
		p.blend(bySamples(p.from, c.MaxSamples))
	case r.name == Mean:
		p.blend(evenly(n, all))
	case r.name == SignMajority:
		p.combiner = vote{c.Senders}
	case r.name == Median:
		p.combiner = p.trimmed(unboundedTrimmed, n, c.Senders)
	case r.name == TrimmedMean:
		p.combiner = p.trimmed(f, n, c.Senders)
	case r.name == Krum:
		p.blend(only(g.krum(n-f-2, 1)))
	case r.name == MultiKrum:
		p.blend(only(g.krum(n-f-2, n-f)))
	case r.name == GeometricMedian:
		p.blend(g.geometricMedian())
	case r.name == CentredClipping:
		p.blend(g.centredClipping())
	case r.name == Bulyan:
		p.keep(g.bulyan(f))
		p.combiner = byPlace{around{f}, false}
	}
}

// blend makes a blend of the rows the whole plan: one of the contributions.
func (p *plan) blend(b blend) {
	p.combiner = blendRule{b.of(p.blends)}
	p.blends = nil
}

// keep leaves only these rows to be combined.
func (p *plan) keep(rows []int) {
	if p.blends == nil {
		p.from = at(p.from, rows)
	} else {
		p.blends = at(p.blends, rows)
	}
}

func at[T any](all []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = all[r]
	}
	return out
}

// trimmed returns the combiner that is faster for as many values as there are;
// both give the same.
func (p *plan) trimmed(f, n int, senders bool) combiner {
	named, all := 0, 0
	for _, c := range p.from {
		named, all = named+c.Update.NumKept(), all+c.Update.Layout().Len()
	}
	if senders || p.blends == nil && named < all/4 {
		return byPlace{trimmed{f}, senders}
	}
	return newSortedRows(trimmed{f}, n)
}

// clipNorms clips each row to the lower median of their norms.
func clipNorms(from []Contribution, g *gram) ([]Contribution, *gram) {
	reference := gradient.LowerMedian(g.norms)
	clips, out := make([]gradient.Clip, len(from)), slices.Clone(from)
	for i, n := range g.norms {
		clips[i] = n.ClipTo(reference)
		out[i].Clip = times(out[i].Clip, clips[i])
	}
	return out, g.scaled(clips)
}

// bySamples weighs each contribution by its samples, at most so many. Their sum is
// below 2^52: a contribution's is below 2^32, and there are at most 2^20.
func bySamples(from []Contribution, most uint32) blend {
	b := blend{weights: make([]uint64, len(from))}
	for i, c := range from {
		b.weights[i] = uint64(min(max(c.Samples, 1), most))
		b.den += b.weights[i]
	}
	return b
}
