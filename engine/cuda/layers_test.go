package cuda

// This file tests the kernels of a block of text apart from attention against plain loops,
// in float32 and bf16.

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// widths are of rows: with and without room for four values at a time.
var widths = []int{1, 2, 31, 33, 64, 127, 129, 260}

// numbers tries kernels on values of either kind.
type numbers struct {
	*Engine
	t    *testing.T
	r    *rand.Rand
	half bool
	in   *arena
	fill []func()
}

// inBoth runs a test with values of both kinds, in different orders.
func inBoth(t *testing.T, test func(l *numbers)) {
	t.Helper()
	for _, half := range []bool{false, true} {
		t.Run(fmt.Sprintf("bf16 %v", half), func(t *testing.T) {
			e, err := on(t, cudatest.Use(t, cudatest.Kernels(), fmt.Sprintf("order=%d", 1+len(t.Name()))), small, Options{})
			if err != nil {
				t.Fatal(err)
			}
			test(&numbers{Engine: e, t: t, r: rand.New(rand.NewPCG(1, 9)), half: half})
		})
	}
}

// with runs f with memory that values were planned in by make, and gives it back.
func (l *numbers) with(plan, f func()) {
	l.t.Helper()
	l.in, l.fill = &arena{gap: alignment}, nil
	plan()
	l.must(l.t, func() error { return l.in.allocate(l.device) })
	for _, put := range l.fill {
		put()
	}
	f()
	l.must(l.t, func() error { return l.in.free(l.device) })
}

// drawn plans n values, of float32 if not as they are.
func (l *numbers) drawn(n int, plain bool) (b *buffer, vals []float64) {
	half := l.half && !plain
	for range n {
		v := float32(l.r.NormFloat64())
		if half {
			v = floatOf(halfOf(v))
		}
		vals = append(vals, float64(v))
	}
	at := l.in.numbers(n, half)
	l.fill = append(l.fill, func() { l.put(l.t, at, vals) })
	return &at, vals
}

// same compares with what it should be, relative to the norm.
func (l *numbers) same(what string, b *buffer, want []float64) {
	l.t.Helper()
	tolerance := 2e-6
	if b.half {
		tolerance = 4e-3
	}
	if far := distance(l.get(l.t, *b, len(want)), want); !(far <= tolerance) {
		l.t.Errorf("%s of %d values: off by %.2g of its norm", what, len(want), far)
	}
}

func (l *numbers) run(f func() error) {
	l.t.Helper()
	l.must(l.t, f)
}

func TestNorm(t *testing.T) {
	const eps = 1e-3
	inBoth(t, func(l *numbers) {
		for i, dim := range widths {
			rows := []int{1, 7, 300}[i%3]
			var x, w, dy, dx, y, roots, parts, dw *buffer
			var xs, ws, dys, dxs, dws []float64
			groups := (rows + normRows - 1) / normRows
			l.with(func() {
				x, xs = l.drawn(rows*dim, false)
				dy, dys = l.drawn(rows*dim, false)
				dx, dxs = l.drawn(rows*dim, false)
				y, _ = l.drawn(rows*dim, false)
				w, ws = l.drawn(dim, true)
				dw, dws = l.drawn(dim, true)
				roots, _ = l.drawn(rows, true)
				parts, _ = l.drawn(groups*dim, true)
			}, func() {
				s := &norm{
					x: &value{data: *x, grad: *dx, added: true}, y: &value{data: *y, grad: *dy}, roots: *roots, parts: &sharing{buffer: *parts}, eps: eps,
					w: &weight{values: *w, grad: *dw, cols: dim, trained: []model.Rows{{Lo: 0, Hi: dim}}},
				}
				p := &pass{Engine: l.Engine, n: rows, part: 2, number: 1}
				l.run(func() error {
					if err := s.forward(p); err != nil {
						return err
					}
					return s.backward(p)
				})
				want := make([]float64, rows*dim)
				for i := range rows {
					x, dy := xs[i*dim:(i+1)*dim], dys[i*dim:(i+1)*dim]
					r, mean := 1/math.Sqrt(dotOf(x, x)/float64(dim)+eps), 0.0
					for j := range x {
						want[i*dim+j] = ws[j] * x[j] * r
						mean += ws[j] * dy[j] * x[j] / float64(dim)
						dws[j] += dy[j] * x[j] * r
					}
					for j := range x {
						dxs[i*dim+j] += r*ws[j]*dy[j] - x[j]*r*r*r*mean
					}
				}
				l.same("result", y, want)
				l.same("gradient", dx, dxs)
				l.same("gradient of the weight", dw, dws)
			})
		}
	})
}

func TestSwiGLU(t *testing.T) {
	inBoth(t, func(l *numbers) {
		for _, wide := range widths {
			const rows = 5
			var x, dy, set, added, y *buffer
			var xs, dys, more []float64
			l.with(func() {
				x, xs = l.drawn(2*rows*wide, false)
				dy, dys = l.drawn(rows*wide, false)
				y, _ = l.drawn(rows*wide, false)
				set, _ = l.drawn(2*rows*wide, false)
				added, more = l.drawn(2*rows*wide, false)
			}, func() {
				l.run(func() error {
					if err := l.blocks(y.kind("swiglu"), rows, y.arg(), x.arg(), driver.Int(wide)); err != nil {
						return err
					}
					if err := l.blocks(y.kind("swiglu_back"), rows, set.arg(), dy.arg(), x.arg(), flag(false), driver.Int(wide)); err != nil {
						return err
					}
					return l.blocks(y.kind("swiglu_back"), rows, added.arg(), dy.arg(), x.arg(), flag(true), driver.Int(wide))
				})
				want, back := make([]float64, rows*wide), make([]float64, 2*rows*wide)
				for i, d := range dys {
					gate := i/wide*2*wide + i%wide
					up := gate + wide
					s := 1 / (1 + math.Exp(-xs[gate]))
					want[i] = xs[gate] * s * xs[up]
					back[gate], back[up] = d*xs[up]*s*(1+xs[gate]*(1-s)), d*xs[gate]*s
				}
				addTo(more, 1, back)
				l.same("result", y, want)
				l.same("gradient", set, back)
				l.same("gradient that is added to", added, more)
			})
		}
	})
}

// TestRotate turns as a product with cosines and sines does, and back.
func TestRotate(t *testing.T) {
	inBoth(t, func(l *numbers) {
		for _, a := range []attending{{1, 1, 1, 1, 2}, {2, 3, 4, 2, 6}, {3, 31, 2, 1, 128}} {
			a.rotate(l)
		}
	})
}

func (a attending) rotate(l *numbers) {
	l.t.Helper()
	n, wide, turned, half := a.rows*a.steps, (a.heads+2*a.kv)*a.hd, (a.heads+a.kv)*a.hd, a.hd/2
	var x, y, sum, cos, sin *buffer
	var xs, sums, coss, sins []float64
	l.with(func() {
		x, xs = l.drawn(n*wide, false)
		y, _ = l.drawn(n*wide, false)
		sum, sums = l.drawn(n*wide, false)
		cos, coss = l.drawn(a.steps*half, true)
		sin, sins = l.drawn(a.steps*half, true)
	}, func() {
		s := &attention{hd: a.hd, tables: tables{*cos, *sin}}
		s.Query, s.KV = a.heads, a.kv
		p := &pass{Engine: l.Engine, rows: a.rows, steps: a.steps, n: n}
		l.run(func() error {
			if err := s.rotate(p, *y, *x, s.tables, 1, set); err != nil {
				return err
			}
			if err := s.rotate(p, *sum, *x, s.tables, -1, added); err != nil {
				return err
			}
			return s.rotate(p, *x, *x, s.tables, 1, inPlace)
		})
		turn := func(sign float64) []float64 {
			to := append([]float64(nil), xs...)
			for i := range to {
				row, c := i/wide, i%wide
				if c >= turned || c%a.hd >= half {
					continue
				}
				at := row%a.steps*half + c%a.hd
				co, si := coss[at], sign*sins[at]
				to[i], to[i+half] = xs[i]*co-xs[i+half]*si, xs[i+half]*co+xs[i]*si
			}
			return to
		}
		addTo(sums, 1, turn(-1))
		l.same("turned rows", y, turn(1))
		l.same("rows turned in place", x, turn(1))
		l.same("rows turned back and added", sum, sums)
	})
}

// TestEmbed has tokens that are everywhere, and tokens that are nowhere.
func TestEmbed(t *testing.T) {
	inBoth(t, func(l *numbers) {
		for i, dim := range widths {
			n, num := []int{1, 33, 127}[i%3], []int{1, 5, 200}[i%3]
			var w, dw, y, dy *buffer
			var ws, dws, dys []float64
			var ids, where buffer
			tokens, counts, groups := make([]int32, n), make([]int32, num), make([]int32, numGroups(n))
			l.with(func() {
				w, ws = l.drawn(num*dim, true)
				dw, dws = l.drawn(num*dim, true)
				y, _ = l.drawn(n*dim, false)
				dy, dys = l.drawn(n*dim, false)
				ids, where = l.in.floats(n), l.in.floats(len(groups))
			}, func() {
				for i := range tokens {
					tokens[i] = int32(min(l.r.IntN(num), l.r.IntN(num)))
				}
				group(groups, tokens, counts)
				l.run(func() error {
					for to, from := range map[driver.Pointer][]int32{ids.at(0): tokens, where.at(0): groups} {
						bits := make([]float32, len(from))
						for i, v := range from {
							bits[i] = math.Float32frombits(uint32(v))
						}
						if err := l.upload(to, bits); err != nil {
							return err
						}
					}
					if err := l.blocks(y.kind("embed"), n, y.arg(), w.arg(), ids.arg(), driver.Int(dim)); err != nil {
						return err
					}
					grid := driver.Grid{X: min(n, num), Y: (dim + embedColumns - 1) / embedColumns, Threads: threads}
					return l.stream.Launch(l.kernels[y.kind("embed_back")], grid, dw.arg(), dy.arg(), ids.arg(), where.arg(), driver.Int(n), driver.Int(dim))
				})
				var want []float64
				for i, id := range tokens {
					want = append(want, ws[int(id)*dim:][:dim]...)
					addTo(dws[int(id)*dim:][:dim], 1, dys[i*dim:][:dim])
				}
				l.same("result", y, want)
				l.same("gradient", dw, dws)
			})
		}
	})
}

// TestWays: fewer positions as long as that keeps a card busy, then values again.
func TestWays(t *testing.T) {
	collect := func(least, n int, can, must bool) (all []way) {
		for w := range ways(least, n, can, must) {
			all = append(all, w)
		}
		return all
	}
	for what, c := range map[string][2][]way{
		"text":            {collect(1500, 16384, true, false), {{16384, false}, {8192, false}, {4096, false}, {16384, true}, {8192, true}, {4096, true}, {2048, true}, {1500, true}}},
		"short text":      {collect(100, 300, true, false), {{300, false}, {300, true}, {150, true}, {100, true}}},
		"one row":         {collect(100, 100, true, false), {{100, false}, {100, true}}},
		"without sums":    {collect(1, 5, false, false), {{5, false}, {3, false}, {2, false}, {1, false}}},
		"again in a test": {collect(100, 100, true, true), {{100, true}}},
	} {
		if fmt.Sprint(c[0]) != fmt.Sprint(c[1]) {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
}
