package aggregation

// This file compares the arithmetic of rules with definitions in big numbers.

import (
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

func specOf(shape ...int) tensor.Spec { return tensor.Spec{Name: "w", Shape: shape} }

func flatOf(row []float64) tensor.Flat {
	vals := make(tensor.Flat, len(row))
	for i, v := range row {
		vals[i] = float32(v)
	}
	return vals
}

func mustCombine(t *testing.T, l tensor.Layout, cfg Config, cs []Contribution) []int64 {
	t.Helper()
	dst := make([]int64, l.Len())
	if err := Combine(dst, l, cfg, cs); err != nil {
		t.Fatal(err)
	}
	return dst
}

// drawValue draws a value of any size up to 2^44, often an extreme.
func drawValue(r *rand.Rand) int64 {
	limit := int64(1) << r.IntN(valueBits+1)
	switch r.IntN(6) {
	case 0:
		return limit
	case 1:
		return -limit
	}
	return r.Int64N(2*limit+1) - limit
}

func drawTerms(r *rand.Rand, n int) Row {
	var row Row
	rate := 1 + r.IntN(4)
	for i := range n {
		if r.IntN(rate) == 0 {
			row = append(row, Term{uint16(i), drawValue(r)})
		}
	}
	return row
}

func (w wide) big() *big.Int {
	x := new(big.Int).SetUint64(w.hi)
	x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(w.mid))
	x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(w.lo))
	if w.hi>>63 == 1 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), 192))
	}
	return x
}

// Dot products are exact at all sizes, and so is their one rounding.
func TestDotsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		n := 1 + r.IntN(tensor.ChunkLen)
		a, b := drawTerms(r, n), drawTerms(r, n)
		if r.IntN(20) == 0 { // as large as can be
			a = nil
			for i := range tensor.ChunkLen {
				a = append(a, Term{uint16(i), -1 << valueBits})
			}
			b = a
		}
		var h halves
		h.set(a)
		got := h.dot(b)
		h.unset(a)
		if h != (halves{}) {
			t.Fatal("the row is still there")
		}
		want := new(big.Int)
		values := map[uint16]int64{}
		for _, term := range a {
			values[term.Pos] = term.Value
		}
		for _, term := range b {
			want.Add(want, new(big.Int).Mul(big.NewInt(term.Value), big.NewInt(values[term.Pos])))
		}
		if got.big().Cmp(want) != 0 {
			t.Fatalf("got %v, want %v", got.big(), want)
		}
		checkRounded(t, got, want)
	}
	for range 10000 {
		w := wide{0, r.Uint64() >> r.IntN(65), r.Uint64() << r.IntN(65) >> r.IntN(65)}
		if r.IntN(2) == 0 {
			w = w.negated()
		}
		checkRounded(t, w, w.big())
	}
}

func checkRounded(t *testing.T, w wide, x *big.Int) {
	t.Helper()
	if want, _ := new(big.Float).SetInt(x).Float64(); w.float() != want {
		t.Fatalf("%v rounds to %v, want %v", x, w.float(), want)
	}
}

func TestDivision(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 200_000 {
		n := 1 + r.Uint64()>>(2+r.IntN(62))
		x := int64(r.Uint64()>>1) >> r.IntN(63)
		if r.IntN(3) == 0 { // a tie, or next to one
			x = int64(r.Uint64()>>1>>bits.Len64(n))*int64(n) + int64(n/2) + int64(r.IntN(3)) - 1
			x = max(x, 0)
		}
		if r.IntN(2) == 0 {
			x = -x
		}
		want := round(new(big.Rat).SetFrac(big.NewInt(x), new(big.Int).SetUint64(n))).Int64()
		if got := newDivisor(n).divide(x); got != want {
			t.Fatalf("%d/%d = %d, want %d", x, n, got, want)
		}
		if got := divideWide(uint64(x>>63), uint64(x), n); got != want {
			t.Fatalf("wide %d/%d = %d, want %d", x, n, got, want)
		}
	}
}

// Blends are rounded once, whatever the weights.
func TestBlendIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var s sums
	for range 60 {
		n, num := 1+r.IntN(300), 1+r.IntN(9)
		rows := make([]Row, num)
		b := blend{weights: make([]uint64, num)}
		for w := range rows {
			rows[w] = drawTerms(r, n)
			b.weights[w] = r.Uint64() >> (8 + r.IntN(56))
			b.den += b.weights[w]
		}
		b.den = max(b.den+uint64(r.IntN(3)), 1)
		got := make([]int64, n)
		b.sum(got, rows, &s)
		for i := range got {
			sum := new(big.Int)
			for w, row := range rows {
				for _, term := range row {
					if int(term.Pos) == i {
						sum.Add(sum, new(big.Int).Mul(big.NewInt(term.Value), new(big.Int).SetUint64(b.weights[w])))
					}
				}
			}
			want := round(new(big.Rat).SetFrac(sum, new(big.Int).SetUint64(b.den)))
			if got[i] != want.Int64() {
				t.Fatalf("%+v: place %d: got %d, want %d", b, i, got[i], want)
			}
		}
	}
}

// given is a table of rows as they are.
type given struct {
	rows []Row
	len  int
}

func (g given) num() int     { return len(g.rows) }
func (g given) terms() []Row { return g.rows }
func (g given) values() [][]int64 {
	var dense grid
	vals := dense.rows(len(g.rows), g.len) // zeros, as they are new
	for w, row := range g.rows {
		for _, t := range row {
			vals[w][t.Pos] = t.Value
		}
	}
	return vals
}

// Rules by place equal a sort of each column; networks equal that too, for every
// number of rows.
func TestByPlaceIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	s := new(scratch)
	for num := 1; num <= 40; num++ {
		n := 1 + r.IntN(600)
		g := given{len: n}
		for range num {
			g.rows = append(g.rows, drawTerms(r, n))
		}
		for _, f := range []int{0, 1, num / 3, unboundedTrimmed} {
			got, sorted, senders := make([]int64, n), make([]int64, n), make([]int64, n)
			byPlace{trimmed{f}, false}.combine(got, g, s)
			newSortedRows(trimmed{f}, num).combine(sorted, g, s)
			byPlace{trimmed{f}, true}.combine(senders, g, s)
			nearby := make([]int64, n)
			byPlace{around{f % 7}, false}.combine(nearby, g, s)
			written := g.values()
			for i := range n {
				var all, named []int64
				for _, row := range written {
					all = append(all, row[i])
					if row[i] != 0 {
						named = append(named, row[i])
					}
				}
				want := trimmedTwin(all, f)
				if got[i] != want || sorted[i] != want || senders[i] != trimmedTwin(named, f) {
					t.Fatalf("%d rows, f = %d: %v give %d, %d and of senders %d", num, f, all, got[i], sorted[i], senders[i])
				}
				if want := aroundTwin(all, f%7); nearby[i] != want {
					t.Fatalf("%d rows around the median, f = %d: %v give %d, want %d", num, f%7, all, nearby[i], want)
				}
			}
		}
	}
}

func meanTwin(vals []int64) int64 {
	sum := new(big.Int)
	for _, v := range vals {
		sum.Add(sum, big.NewInt(v))
	}
	return round(new(big.Rat).SetFrac(sum, big.NewInt(int64(len(vals))))).Int64()
}

func trimmedTwin(vals []int64, f int) int64 {
	if len(vals) == 0 {
		return 0
	}
	slices.Sort(vals)
	f = min(f, (len(vals)-1)/2)
	return meanTwin(vals[f : len(vals)-f])
}

// aroundTwin takes away the farther end until as many are left as are wanted.
func aroundTwin(vals []int64, f int) int64 {
	slices.Sort(vals)
	n := len(vals)
	twice := vals[(n-1)/2] + vals[n/2]
	for len(vals) > max(n-2*f, 1) {
		if lo, hi := twice-2*vals[0], 2*vals[len(vals)-1]-twice; lo > hi {
			vals = vals[1:]
		} else {
			vals = vals[:len(vals)-1]
		}
	}
	return meanTwin(vals)
}

// Networks sort every pattern of zeros and ones, hence everything.
func TestNetworkSorts(t *testing.T) {
	for num := 1; num <= 14; num++ {
		steps := network(num)
		for pattern := range 1 << num {
			sorted := pattern
			for _, x := range steps {
				if sorted>>x.a&1 == 1 && sorted>>x.b&1 == 0 {
					sorted ^= 1<<x.a | 1<<x.b
				}
			}
			ones := bits.OnesCount(uint(pattern))
			if want := (1<<ones - 1) << (num - ones); sorted != want {
				t.Fatalf("%d rows: %b becomes %b", num, pattern, sorted)
			}
		}
	}
}

// Age counts 1/√(1+s), rounded down.
func TestStale(t *testing.T) {
	for _, s := range []uint32{0, 1, 2, 3, 8, 99, 1 << 20, math.MaxUint32} {
		got := Contribution{Clip: gradient.Unclipped, Stale: s}.factor()
		// got² · (1+s) <= 2^64 < (got+1)² · (1+s)
		low, high := new(big.Int).SetUint64(uint64(got)), new(big.Int).SetUint64(uint64(got)+1)
		times, one := new(big.Int).SetUint64(1+uint64(s)), new(big.Int).Lsh(big.NewInt(1), 64)
		low.Mul(low, low).Mul(low, times)
		high.Mul(high, high).Mul(high, times)
		if low.Cmp(one) > 0 || high.Cmp(one) <= 0 {
			t.Errorf("age %d: factor %d", s, got)
		}
	}
	l := layoutOf(t, specOf(2, 100))
	p := gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4}
	cs := contributions(t, l, p, 1, 2)
	cs[0].Clip, cs[1].Clip, cs[1].Stale = gradient.Unclipped, gradient.Unclipped, 3
	halved := slices.Clone(cs)
	halved[1] = Contribution{Update: cs[1].Update, Clip: gradient.Unclipped / 2}
	if !slices.Equal(mustCombine(t, l, DefaultConfig(p), cs), mustCombine(t, l, DefaultConfig(p), halved)) {
		t.Error("three rounds of age do not count a half")
	}
}

// A mean by samples is the mean of as many copies.
func TestSamples(t *testing.T) {
	l := layoutOf(t, specOf(2, 500))
	p := gradient.Params{Codec: gradient.TopK, K: 500, Bits: 2, EMin: -40, EMax: -4}
	cs := contributions(t, l, p, 1, 4)
	var copies []Contribution
	for i, num := range []int{3, 1, 5, 2} {
		cs[i].Samples = uint32(num)
		copies = append(copies, slices.Repeat(cs[i:i+1], num)...)
	}
	cs[1].Samples = 0 // counts as 1
	weighted := DefaultConfig(p)
	weighted.MaxSamples = math.MaxUint32
	if !slices.Equal(mustCombine(t, l, weighted, cs), mustCombine(t, l, DefaultConfig(p), copies)) {
		t.Error("samples are not copies")
	}
	cs[0].Samples = math.MaxUint32
	mustCombine(t, l, weighted, cs)
}

// Whoever claims more samples than count weighs as much as who has that many: the
// mean moves by that share of the difference, at most.
func TestClaimedSamplesAreCapped(t *testing.T) {
	l := layoutOf(t, specOf(1, 1))
	p := gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4}
	cfg := DefaultConfig(p)
	cfg.MaxSamples = 40
	cs := []Contribution{
		{Update: encode(t, l, p, tensor.Flat{1}), Clip: gradient.Unclipped},
		{Update: encode(t, l, p, tensor.Flat{0}), Clip: gradient.Unclipped, Samples: 30},
		{Update: encode(t, l, p, tensor.Flat{0}), Clip: gradient.Unclipped, Samples: 10},
	}
	for _, c := range []struct{ claim, counts uint32 }{{0, 1}, {1, 1}, {39, 39}, {40, 40}, {41, 40}, {math.MaxUint32, 40}} {
		cs[0].Samples = c.claim
		want := divide(int64(c.counts)<<cfg.Unit, int64(c.counts)+40)
		if got := mustCombine(t, l, cfg, cs)[0]; got != want {
			t.Errorf("a claim of %d samples moves the mean by %d, want %d", c.claim, got, want)
		}
	}
}

// The record's clip factors and those of clipping to the median norm agree: each
// row ends no longer than the median, and at most a unit in 2^32 shorter.
func TestClipNorms(t *testing.T) {
	l := layoutOf(t, specOf(3, 4000))
	p := gradient.DefaultParams()
	cs := contributions(t, l, p, 5, 5)
	var norms []gradient.Norm
	for i := range cs {
		cs[i].Clip = gradient.Unclipped
		norms = append(norms, cs[i].Update.(*gradient.Update).NormSquared())
	}
	cfg := DefaultConfig(p)
	cfg.ClipNorms = true
	byRecord := slices.Clone(cs)
	for i := range byRecord {
		byRecord[i].Clip = norms[i].ClipTo(gradient.LowerMedian(norms))
	}
	if !slices.Equal(mustCombine(t, l, cfg, cs), mustCombine(t, l, DefaultConfig(p), byRecord)) {
		t.Error("clipping to the median norm differs from the record's factors")
	}
}

// What a rule cannot bear it does not fail on: fewer rows mean fewer liars, and at
// last the mean.
func TestFallback(t *testing.T) {
	l := layoutOf(t, specOf(2, 50))
	p := gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -40, EMax: -4}
	for rule, needs := range map[string]int{TrimmedMean: 7, Krum: 9, MultiKrum: 9, Bulyan: 15} {
		cfg := DefaultConfig(p)
		cfg.Rule, cfg.Liars = rule, 3
		if got := cfg.NeedsWorkers(); got != needs {
			t.Errorf("%s with 3 liars needs %d, want %d", rule, got, needs)
		}
		cfg.Bucket = 4
		if got := cfg.NeedsWorkers(); got != 4*(needs-1)+1 {
			t.Errorf("%s with 3 liars in buckets of 4 needs %d", rule, got)
		}
		cfg.Bucket = 0
		for num := 1; num < needs; num++ {
			cs := contributions(t, l, p, uint64(num), num)
			less := cfg
			for less.NeedsWorkers() > num && less.Liars > 1 {
				less.Liars--
			}
			if less.NeedsWorkers() <= num && !slices.Equal(mustCombine(t, l, cfg, cs), mustCombine(t, l, less, cs)) {
				t.Errorf("%s of %d rows is not that with %d liars", rule, num, less.Liars)
			}
			if num < 3 && !slices.Equal(mustCombine(t, l, cfg, cs), mustCombine(t, l, DefaultConfig(p), cs)) {
				t.Errorf("%s of %d rows is not the mean", rule, num)
			}
		}
	}
}
