package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// product is the definition of the matrix product, in float64, with the sum of
// magnitudes that bounds its rounding error.
func product(c, a, b View, add bool) (want, size []float64) {
	for i := range c.Rows {
		for j := range c.Cols {
			var s, m float64
			if add {
				s = float64(c.Data[i*c.RowStep+j])
				m = math.Abs(s)
			}
			for k := range a.Cols {
				p := float64(a.Data[i*a.RowStep+k*a.ColStep]) * float64(b.Data[k*b.RowStep+j*b.ColStep])
				s, m = s+p, m+math.Abs(p)
			}
			want, size = append(want, s), append(size, m)
		}
	}
	return want, size
}

// someView returns a random matrix inside a larger slice, transposed or not.
func someView(r *rand.Rand, rows, cols int, turned bool) View {
	if turned {
		return someView(r, cols, rows, false).T()
	}
	v := View{Rows: rows, Cols: cols, RowStep: cols + r.IntN(5), ColStep: 1}
	v.Data = values(r, rows*v.RowStep)
	return v
}

func values(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func TestMulMatchesDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := [][3]int{{1, 1, 1}, {5, 7, 3}, {12, 32, 16}, {64, 64, 24}, {64, 24, 64}, {101, 33, 257}, {25, 96, 8}, {3, 1030, 5}, {250, 40, 270}}
	for range 12 {
		sizes = append(sizes, [3]int{1 + r.IntN(70), 1 + r.IntN(70), 1 + r.IntN(300)})
	}
	for _, s := range available() {
		for _, z := range sizes {
			for form := range 8 {
				turnA, turnB, add := form&1 != 0, form&2 != 0, form&4 != 0
				t.Run(fmt.Sprintf("%s/%v/%d", s.name, z, form), func(t *testing.T) {
					a, b := someView(r, z[0], z[2], turnA), someView(r, z[2], z[1], turnB)
					c := someView(r, z[0], z[1], false)
					before := append([]float32(nil), c.Data...)
					want, size := product(c, a, b, add)
					multiply(s.tiles, c, a, b, add)
					compareProduct(t, c, before, want, size)
					sameThroughPanels(t, s.tiles, c, before, a, b, add)
				})
			}
		}
	}
}

// sameThroughPanels holds the product with a packed operand, cut into rows and columns,
// to the bits of c.
func sameThroughPanels(t *testing.T, s *tiles, c View, before []float32, a, b View, add bool) {
	t.Helper()
	whole, _ := newPanels(s, nil, b.Rows, b.Cols)
	for lo := 0; lo < b.Cols; lo += PanelCols {
		whole.fill(s, b, lo, min(lo+PanelCols, b.Cols))
	}
	got, again := c, c
	got.Data, again.Data = before, append([]float32(nil), before...)
	for lo := 0; lo < b.Cols; lo += 3 * PanelCols {
		hi := min(lo+3*PanelCols, b.Cols)
		for r := 0; r < c.Rows; r += 7 {
			end := min(r+7, c.Rows)
			part := got.Sub(r, end)
			part.Data, part.Cols = part.Data[lo:], hi-lo
			multiplyPanels(s, part, a.Sub(r, end), whole.Columns(lo, hi), add)
		}
	}
	for k := 0; k < b.Rows; k += mixedInner { // the same once more, row of B after row
		end := min(k+mixedInner, b.Rows)
		multiplyPanels(s, again, a.Columns(k, end), whole.Sub(k, end), add || k > 0)
	}
	for i, v := range c.Data {
		if math.Float32bits(got.Data[i]) != math.Float32bits(again.Data[i]) {
			t.Fatalf("value %d is %v through panels, %v through their rows", i, got.Data[i], again.Data[i])
		}
		if math.Float32bits(got.Data[i]) != math.Float32bits(v) {
			t.Fatalf("value %d is %v through panels, %v without", i, got.Data[i], v)
		}
	}
}

// compareProduct allows k roundings of the sum of magnitudes, far more than FMA
// makes, far less than a wrong term; and demands that gaps are untouched.
func compareProduct(t *testing.T, c View, before []float32, want, size []float64) {
	t.Helper()
	for i := range c.Rows {
		for j := range c.RowStep {
			got := c.Data[i*c.RowStep+j]
			if j >= c.Cols {
				if got != before[i*c.RowStep+j] {
					t.Fatalf("row %d: value %d beyond the last column was written", i, j)
				}
				continue
			}
			n := i*c.Cols + j
			if d := math.Abs(float64(got) - want[n]); !(d <= 2e-6*(size[n]+1)) {
				t.Fatalf("element %d, %d is %v, want %v", i, j, got, want[n])
			}
		}
	}
}

// BenchmarkMul multiplies as a layer of the small model does, in every
// instruction set.
func BenchmarkMul(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range available() {
		x, w, y := Dense(values(r, 512*96), 512, 96), Dense(values(r, 288*96), 288, 96), Dense(values(r, 512*288), 512, 288)
		for name, f := range map[string]func(){
			"x·wᵀ": func() { multiply(s.tiles, y, x, w.T(), false) },
			"y·w":  func() { multiply(s.tiles, x, y, w, false) },
			"yᵀ·x": func() { multiply(s.tiles, w, y.T(), x, false) },
		} {
			b.Run(s.name+"/"+name, func(b *testing.B) {
				for range b.N {
					f()
				}
				b.ReportMetric(float64(b.N)*2*512*96*288/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
