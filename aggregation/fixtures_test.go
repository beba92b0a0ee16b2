package aggregation

// This file holds what others publish of these rules: exact results for three
// rows, (1 2 3), (4 5 6) and (7 8 9), with one liar. They are those of ByzFL's
// own tests (LPD-EPFL/byzfl at 69bd1ac), which compute in float32: where a result
// is not a short binary fraction the tolerance is 1e-6, some units of its last
// place.

import (
	"math"
	"slices"
	"testing"

	"lode/gradient"
)

var threeRows = [][]float64{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}

func gramOf(rows [][]float64) *gram {
	g := &gram{dots: square(len(rows))}
	for i, a := range rows {
		for j, b := range rows {
			for k := range a {
				g.dots[i][j] += a[k] * b[k]
			}
		}
	}
	g.digests = make([][32]byte, len(rows))
	for i := range rows {
		g.digests[i][0] = byte(i)
	}
	return g
}

// apply returns the blend of rows.
func (b blend) apply(rows [][]float64) []float64 {
	out := make([]float64, len(rows[0]))
	for w, row := range rows {
		for k, v := range row {
			out[k] += float64(b.weights[w]) / float64(b.den) * v
		}
	}
	return out
}

func chosen(num int, rows []int) blend {
	return evenly(num, func(w int) bool { return slices.Contains(rows, w) })
}

func TestPublishedResults(t *testing.T) {
	g := gramOf(threeRows)
	clip := func() blend {
		weights := make([]float64, 3)
		return rounded(weights, g.clipStep(weights, 1, 100))
	}
	near := g.neighbours(1)
	for _, c := range []struct {
		name string
		got  blend
		want []float64
	}{
		{"krum, 1 neighbour", chosen(3, g.krum(1, 1)), []float64{1, 2, 3}},
		{"multi-krum, 1 neighbour", chosen(3, g.krum(1, 2)), []float64{2.5, 3.5, 4.5}},
		{"geometric median from 0, smoothed at 0.1, 3 steps", rounded(g.weiszfeld(make([]float64, 3), 0.1, 3), 0), []float64{3.78788764, 4.78788764, 5.78788764}},
		{"centred clipping from 0, radius 100, 1 step", clip(), []float64{4, 5, 6}},
		{"neighbours of the first", near[0], []float64{2.5, 3.5, 4.5}},
		{"neighbours of the second", near[1], []float64{2.5, 3.5, 4.5}},
		{"neighbours of the third", near[2], []float64{5.5, 6.5, 7.5}},
	} {
		for k, v := range c.got.apply(threeRows) {
			if math.Abs(v-c.want[k]) > 1e-6 {
				t.Errorf("%s: got %v, want %v", c.name, c.got.apply(threeRows), c.want)
				break
			}
		}
	}
	for _, f := range []int{1, unboundedTrimmed} {
		for k, want := range []int64{4, 5, 6} {
			vals := []int64{int64(threeRows[0][k]), int64(threeRows[1][k]), int64(threeRows[2][k])}
			if got := (trimmed{f}).of(ranked{vals: vals}); got != want {
				t.Errorf("trimmed by %d: %d, want %d", f, got, want)
			}
		}
	}
}

// The same rows through whole merges, where the middle one is what rules that look
// at places or for a centre agree on.
func TestPublishedResultsMerged(t *testing.T) {
	l := layoutOf(t, specOf(1, 3))
	p := gradient.Params{Codec: gradient.Dense, Bits: 32, EMin: -20, EMax: 4}
	var cs []Contribution
	for _, row := range threeRows {
		cs = append(cs, Contribution{Update: encode(t, l, p, flatOf(row)), Clip: gradient.Unclipped})
	}
	for _, rule := range []string{Mean, Median, TrimmedMean, GeometricMedian} {
		cfg := DefaultConfig(p)
		cfg.Rule, cfg.Unit = rule, 20
		if rule == TrimmedMean {
			cfg.Liars = 1
		}
		got, want := mustCombine(t, l, cfg, cs), []int64{4 << cfg.Unit, 5 << cfg.Unit, 6 << cfg.Unit}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", rule, got, want)
		}
	}
}
