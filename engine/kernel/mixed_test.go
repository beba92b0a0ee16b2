package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// mixers returns what computes in bf16 here, plain Go always.
func mixers(t *testing.T) map[string]*mixer {
	all := map[string]*mixer{"go": &mixedPlain}
	if m := available()[0].mixed; m != nil {
		all["amx"] = m
	} else {
		t.Log("NOT CHECKED: AMX, which this processor or system lacks")
	}
	return all
}

// rounded returns v with values rounded to bf16.
func rounded(v View) View {
	data := make([]float32, len(v.Data))
	for i, x := range v.Data {
		data[i] = math.Float32frombits(half(x) << 16)
	}
	v.Data = data
	return v
}

// TestMixedMatchesDefinition: the product of rounded operands, up to the rounding of
// float32 sums.
func TestMixedMatchesDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := [][3]int{{1, 1, 1}, {5, 7, 3}, {32, 32, 32}, {64, 64, 64}, {33, 65, 31}, {300, 33, 70}, {31, 40, 1100}}
	for _, m := range mixers(t) {
		for _, z := range sizes {
			for form := range 8 {
				turnA, turnB, add := form&1 != 0, form&2 != 0, form&4 != 0
				a, b, c := someView(r, z[0], z[2], turnA), someView(r, z[2], z[1], turnB), someView(r, z[0], z[1], false)
				before := append([]float32(nil), c.Data...)
				want, size := product(c, rounded(a), rounded(b), add)
				p, _ := newMixedPanels(m, nil, b.Rows, b.Cols)
				for lo := 0; lo < b.Cols; lo += PanelCols {
					p.Fill(b, lo, min(lo+PanelCols, b.Cols))
				}
				MulPanels(c, a, p, add)
				compareProduct(t, c, before, want, size)
				sameInParts(t, c, before, a, p, add)
			}
		}
	}
}

// sameInParts holds the product cut into rows and columns and, of B, rows to the bits
// of c.
func sameInParts(t *testing.T, c View, before []float32, a View, p Panels, add bool) {
	t.Helper()
	got := c
	got.Data = append([]float32(nil), before...)
	for lo := 0; lo < p.Cols; lo += PanelCols {
		hi := min(lo+PanelCols, p.Cols)
		for i := 0; i < c.Rows; i += 45 {
			end := min(i+45, c.Rows)
			for k := 0; k < p.Rows; k += mixedInner {
				stop := min(k+mixedInner, p.Rows)
				MulPanels(got.Sub(i, end).Columns(lo, hi), a.Sub(i, end).Columns(k, stop), p.Sub(k, stop).Columns(lo, hi), add || k > 0)
			}
		}
	}
	for i, v := range c.Data {
		if math.Float32bits(got.Data[i]) != math.Float32bits(v) {
			t.Fatalf("value %d is %v in parts, %v as a whole", i, got.Data[i], v)
		}
	}
}

// TestPairsMatchPlain: packing has the bits of its definition, NaN and infinity too.
func TestPairsMatchPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, m := range mixers(t) {
		for range 20 {
			step := 32 + r.IntN(9)
			src := values(r, 32*step)
			for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 3.4e38, -3.4e38} {
				src[r.IntN(len(src))] = float32(x)
			}
			for what, f := range map[string][2]func(*uint32, *float32, int){"along": {m.along, alongPlain}, "across": {m.across, acrossPlain}} {
				var got, want [stepPairs / 2]uint32
				f[0](&got[0], &src[0], step)
				f[1](&want[0], &src[0], step)
				if got != want {
					t.Fatalf("%s, %s: %x, want %x", name, what, got, want)
				}
				m.turn(&got[0])
				turnPlain(&want[0])
				if got != want {
					t.Fatalf("%s, turned: %x, want %x", name, got, want)
				}
			}
		}
	}
}

// BenchmarkMixed multiplies packed panels as a layer of a small model does.
func BenchmarkMixed(b *testing.B) {
	m := available()[0].mixed
	if m == nil {
		b.Skip("no AMX")
	}
	r := rand.New(rand.NewPCG(1, 1))
	const n, in, out = 1024, 512, 1536
	x, w, y := Dense(values(r, n*in), n, in), Dense(values(r, out*in), out, in), Dense(make([]float32, n*out), n, out)
	var buf []uint32
	for name, f := range map[string][3]View{"x·wᵀ": {y, x, w.T()}, "y·w": {x, y, w}, "yᵀ·x": {w, y.T(), x}} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				var p Panels
				p, buf = newMixedPanels(m, buf, f[2].Rows, f[2].Cols)
				p.Fill(f[2], 0, f[2].Cols)
				MulPanels(f[0], f[1], p, false)
			}
			b.ReportMetric(float64(b.N)*2*n*in*out/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
