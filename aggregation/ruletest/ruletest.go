package ruletest

// This file holds the conformance kit of merge rules.

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"lode/aggregation"
	"lode/gradient"
	"lode/tensor"
)

const (
	rounds  = 2
	maxRows = 9
)

// Promises are what not every rule keeps.
type Promises struct {
	// Hull: at every place the result lies between the least and the greatest of
	// the rows and 0.
	Hull bool
	// Unanimous: rows that are all equal give themselves.
	Unanimous bool
	// Scales: rows eight times as large give a result eight times as large, but for
	// rounding. What breaks ties or deals rows by their digests does not scale.
	Scales bool
}

// Conform fails t unless the result of merges under cfg does not depend on the
// order of contributions, on cores, on where updates are kept or on a second try,
// is 0 where all rows are, exists for any number of them, and
// is as p says.
func Conform(t *testing.T, cfg aggregation.Config, p Promises) {
	t.Helper()
	b := bench{t, cfg, newLayout(t)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rounds {
		if i > 0 && testing.Short() {
			break
		}
		from := b.draw(r, 1+r.IntN(maxRows))
		got := b.combine(from)
		b.checkSame(r, from, got)
		b.checkHull(p, from, got)
		if p.Unanimous {
			b.checkUnanimous(from[0])
		}
		b.checkZero(from)
	}
	if p.Scales {
		b.checkScale(r)
	}
}

// bench is what one call tests with.
type bench struct {
	t      *testing.T
	cfg    aggregation.Config
	layout tensor.Layout
}

// newLayout has a long tensor, and short ones to make many windows.
func newLayout(t *testing.T) tensor.Layout {
	specs := []tensor.Spec{{Name: "long", Shape: []int{5, 900}}}
	for i := range 33 {
		specs = append(specs, tensor.Spec{Name: string(rune('A' + i)), Shape: []int{2, 1 + i%7}})
	}
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (b bench) encode(vals tensor.Flat) *gradient.Update {
	b.t.Helper()
	u, err := gradient.Encode(b.layout, b.cfg.Params, vals)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

func (b bench) combine(from []aggregation.Contribution) []int64 {
	b.t.Helper()
	dst := make([]int64, b.layout.Len())
	if err := aggregation.Combine(dst, b.layout, b.cfg, from); err != nil {
		b.t.Fatal(err)
	}
	return dst
}

// values returns what a contribution alone says, in units of 2^−Unit.
func (b bench) values(c aggregation.Contribution) []int64 {
	cfg := aggregation.DefaultConfig(b.cfg.Params)
	cfg.Unit = b.cfg.Unit
	return bench{b.t, cfg, b.layout}.combine([]aggregation.Contribution{c})
}

// draw draws sparse and dense rows, small and large, zeros, copies and opposites,
// with and without clip factors.
func (b bench) draw(r *rand.Rand, num int) []aggregation.Contribution {
	var from []aggregation.Contribution
	var vals tensor.Flat
	for range num {
		clip := gradient.Unclipped
		switch r.IntN(8) {
		case 0: // the same again
			if vals == nil {
				vals = b.drawRow(r)
			}
		case 1:
			vals = b.drawRow(r)
			clip /= 3
		case 2: // the opposite: as far from everything as what it mirrors
			vals = slices.Clone(vals)
			for i := range vals {
				vals[i] = -vals[i]
			}
		default:
			vals = b.drawRow(r)
		}
		if vals == nil {
			vals = make(tensor.Flat, b.layout.Len())
		}
		from = append(from, aggregation.Contribution{
			Update: b.encode(vals), Clip: clip, Samples: r.Uint32N(5), Stale: r.Uint32N(2),
		})
	}
	return from
}

func (b bench) drawRow(r *rand.Rand) tensor.Flat {
	vals := make(tensor.Flat, b.layout.Len())
	rate, size := 1+r.IntN(20), float32(int(1)<<r.IntN(12))
	for i := range vals {
		if r.IntN(rate) == 0 {
			vals[i] = float32(r.NormFloat64()) * size * 0x1p-13
		}
	}
	return vals
}

func (b bench) checkSame(r *rand.Rand, from []aggregation.Contribution, want []int64) {
	b.t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for cores := range 3 {
		runtime.GOMAXPROCS(1 + cores)
		other := slices.Clone(from)
		r.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		for i, c := range other {
			if cores%2 == 0 {
				continue
			}
			s, err := gradient.NewStored(b.layout, b.cfg.Params, bytes.NewReader(c.Update.(*gradient.Update).Plain()))
			if err != nil {
				b.t.Fatal(err)
			}
			other[i].Update = s
		}
		if got := b.combine(other); !slices.Equal(got, want) {
			b.t.Fatalf("%d rows: another order, %d cores or windows change the result", len(from), 1+cores)
		}
	}
}

func (b bench) checkHull(p Promises, from []aggregation.Contribution, got []int64) {
	b.t.Helper()
	least, most := make([]int64, len(got)), make([]int64, len(got))
	for _, c := range from {
		for i, v := range b.values(c) {
			least[i], most[i] = min(least[i], v), max(most[i], v)
		}
	}
	for i, v := range got {
		switch {
		case least[i] == 0 && most[i] == 0 && v != 0:
			b.t.Fatalf("place %d: %d where all rows are 0", i, v)
		case p.Hull && (v < least[i] || v > most[i]):
			b.t.Fatalf("place %d: %d, the rows are from %d to %d", i, v, least[i], most[i])
		}
	}
}

func (b bench) checkUnanimous(c aggregation.Contribution) {
	b.t.Helper()
	c.Stale = 0 // such rows count for less than themselves
	want := b.values(c)
	for _, num := range []int{1, 2, 3, 6, maxRows} {
		if got := b.combine(slices.Repeat([]aggregation.Contribution{c}, num)); !slices.Equal(got, want) {
			b.t.Fatalf("%d equal rows do not give themselves", num)
		}
	}
}

// checkZero checks that rows of zeros give 0, and that some among others harm
// nothing.
func (b bench) checkZero(from []aggregation.Contribution) {
	b.t.Helper()
	zero := aggregation.Contribution{Update: b.encode(make(tensor.Flat, b.layout.Len())), Clip: gradient.Unclipped}
	for _, num := range []int{1, 4} {
		zeros := slices.Repeat([]aggregation.Contribution{zero}, num)
		for i, v := range b.combine(zeros) {
			if v != 0 {
				b.t.Fatalf("%d rows of zeros give %d at %d", num, v, i)
			}
		}
		b.combine(append(zeros, from...))
	}
}

// checkScale checks that rows eight times as large give a result eight times as
// large, but for what is rounded: each result to half a unit.
func (b bench) checkScale(r *rand.Rand) {
	b.t.Helper()
	var from, larger []aggregation.Contribution
	for range maxRows {
		u := b.encode(b.drawRow(r)) // decoded, so that both encode without loss or alike
		vals := make(tensor.Flat, b.layout.Len())
		if err := tensor.Copy(b.layout, vals, u); err != nil {
			b.t.Fatal(err)
		}
		c := aggregation.Contribution{Update: b.encode(vals), Clip: gradient.Unclipped}
		for i := range vals {
			vals[i] *= 8
		}
		d := aggregation.Contribution{Update: b.encode(vals), Clip: gradient.Unclipped}
		x, y := b.values(c), b.values(d)
		for i := range x {
			if y[i] != 8*x[i] {
				b.t.Fatalf("the codec does not scale: %d and %d", x[i], y[i])
			}
		}
		from, larger = append(from, c), append(larger, d)
	}
	x, y := b.combine(from), b.combine(larger)
	for i := range x {
		if d := y[i] - 8*x[i]; d > 8 || d < -8 {
			b.t.Fatalf("place %d: %d, of rows eight times as large %d", i, x[i], y[i])
		}
	}
}

// Withstand draws num rows that resemble each other, lets liars of them be
// anything, and fails t if holds does not: it gets the result and the honest rows,
// in units of 2^−Unit.
func Withstand(t *testing.T, cfg aggregation.Config, num, liars int, holds func(got []int64, honest [][]int64) error) {
	t.Helper()
	b := bench{t, cfg, newLayout(t)}
	r := rand.New(rand.NewPCG(3, 4))
	for _, lie := range lies {
		base := b.drawRow(r)
		var from []aggregation.Contribution
		var honest [][]int64
		for w := range num {
			vals := slices.Clone(base)
			for i := range vals {
				vals[i] += float32(r.NormFloat64()) * 0x1p-10
			}
			if w < liars {
				lie.tell(r, vals)
			}
			from = append(from, aggregation.Contribution{Update: b.encode(vals), Clip: gradient.Unclipped})
			if w >= liars {
				honest = append(honest, b.values(from[w]))
			}
		}
		if err := holds(b.combine(from), honest); err != nil {
			t.Errorf("%d liars of %d, %s: %v", liars, num, lie.name, err)
		}
	}
}

// lies are what liars make of an honest row.
var lies = []struct {
	name string
	tell func(r *rand.Rand, vals tensor.Flat)
}{
	{"the largest values there are", func(_ *rand.Rand, vals tensor.Flat) { fill(vals, 1e30) }},
	{"the same, below 0", func(_ *rand.Rand, vals tensor.Flat) { fill(vals, -1e30) }},
	{"the largest of signs by chance", func(r *rand.Rand, vals tensor.Flat) {
		for i := range vals {
			vals[i] = float32(1-2*r.IntN(2)) * 1e30
		}
	}},
	{"ten times the opposite", func(_ *rand.Rand, vals tensor.Flat) { times(vals, -10) }},
	{"a thousand times", func(_ *rand.Rand, vals tensor.Flat) { times(vals, 1000) }},
	{"zeros", func(_ *rand.Rand, vals tensor.Flat) { clear(vals) }},
	{"one place", func(r *rand.Rand, vals tensor.Flat) { vals[r.IntN(len(vals))] = 1e30 }},
	{"a little beside", func(_ *rand.Rand, vals tensor.Flat) {
		for i := range vals {
			vals[i] += 0x1.8p-10
		}
	}},
}

func fill(vals tensor.Flat, x float32) {
	for i := range vals {
		vals[i] = x
	}
}

func times(vals tensor.Flat, x float32) {
	for i := range vals {
		vals[i] *= x
	}
}
