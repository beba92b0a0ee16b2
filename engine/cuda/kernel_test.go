package cuda

// This file tests kernels alone, against plain loops in float64.

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine/cuda/cudatest"
	"lode/engine/cuda/driver"
	"lode/tensor"
)

// lab is an engine whose kernels are tried one by one.
type lab struct {
	*Engine
	t    *testing.T
	rand *rand.Rand
}

// labs runs a test in labs with several orders of threads.
func labs(t *testing.T, test func(l *lab)) {
	t.Helper()
	for _, order := range []string{"order=1", "order=2", "order=3"} {
		t.Run(order, func(t *testing.T) {
			e, err := on(t, cudatest.Use(t, cudatest.Kernels(), order), small, Options{})
			if err != nil {
				t.Fatal(err)
			}
			test(&lab{e, t, rand.New(rand.NewPCG(1, 2))})
		})
	}
}

// array is values on the card, with room behind them that nobody may write.
type array struct {
	driver.Pointer
	n int
}

const room = 64

// put puts values on the card.
func (l *lab) put(vals []float32) array {
	l.t.Helper()
	v := &vector{e: l.Engine, memory: arena{bytes: 4 * int64(len(vals)+room)}}
	l.ok(l.do(func() error {
		if err := v.memory.allocate(l.device); err != nil {
			return err
		}
		l.vectors = append(l.vectors, v) // so that it is given back
		return l.upload(v.memory.base, vals)
	}))
	return array{v.memory.base, len(vals)}
}

// random returns drawn values; some are exactly zero.
func (l *lab) random(n int) []float32 {
	vals := make([]float32, n)
	for i := range vals {
		if l.rand.IntN(9) > 0 {
			vals[i] = float32(l.rand.NormFloat64())
		}
	}
	return vals
}

// get reads an array and looks whether what lies behind it is as it was.
func (l *lab) get(a array) []float32 {
	l.t.Helper()
	vals := make([]float32, a.n+room)
	l.ok(l.do(func() error { return l.download(vals, a.Pointer) }))
	for i, v := range vals[a.n:] {
		if v == v {
			l.t.Fatalf("value %d behind an array of %d was written: %v", i, a.n, v)
		}
	}
	return vals[:a.n]
}

func (l *lab) run(f func() error) {
	l.t.Helper()
	l.ok(l.do(func() error {
		if err := f(); err != nil {
			return err
		}
		return l.stream.Wait()
	}))
}

func (l *lab) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// near compares with a tolerance that is relative to the largest value.
func (l *lab) near(what string, got []float32, want []float64, tolerance float64) {
	l.t.Helper()
	largest := 1e-30
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tolerance*largest) {
			l.t.Fatalf("%s: value %d of %d is %v, want %v", what, i, len(want), got[i], w)
		}
	}
}

func TestSumRows(t *testing.T) {
	labs(t, func(l *lab) {
		for _, z := range [][3]int{{1, 1, 1}, {7, 31, 31}, {8, 32, 40}, {9, 33, 33}, {100, 65, 70}, {257, 5, 9}} {
			rows, cols, step := z[0], z[1], z[2]
			x, before := l.random(rows*step), l.random(cols)
			for _, add := range []bool{false, true} {
				sum := l.put(before)
				px := l.put(x)
				l.run(func() error {
					return l.blocks("sum_rows", (cols+31)/32, driver.At(sum.Pointer), driver.At(px.Pointer), driver.Int(rows), driver.Int(cols), driver.Long(int64(step)), flag(add))
				})
				want := make([]float64, cols)
				for j := range want {
					want[j] = float64(one(add)) * float64(before[j])
					for i := range rows {
						want[j] += float64(x[i*step+j])
					}
				}
				l.near("sum_rows", l.get(sum), want, 1e-5)
			}
		}
	})
}

func TestActivations(t *testing.T) {
	phi := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	for name, f := range map[string]struct{ y, slope func(x float64) float64 }{
		"relu": {func(x float64) float64 { return max(x, 0) }, func(x float64) float64 {
			if x > 0 {
				return 1
			}
			return 0
		}},
		"gelu": {func(x float64) float64 { return x * phi(x) }, func(x float64) float64 { return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) }},
	} {
		labs(t, func(l *lab) {
			for _, n := range []int{1, 255, 256, 257, 1000} {
				x, dy, dx := l.random(n), l.random(n), l.random(n)
				x[0] = 30 // where one tail is lost
				px, py, pdy, set, added := l.put(x), l.put(x), l.put(dy), l.put(dx), l.put(dx)
				at := func(a array) driver.Arg { return driver.At(a.Pointer) }
				l.run(func() error {
					if err := l.each(name, n, at(py), at(px)); err != nil {
						return err
					}
					if err := l.each(name+"_back", n, at(set), at(pdy), at(px), flag(false)); err != nil {
						return err
					}
					return l.each(name+"_back", n, at(added), at(pdy), at(px), flag(true))
				})
				y, back, more := make([]float64, n), make([]float64, n), make([]float64, n)
				for i := range x {
					y[i] = f.y(float64(x[i]))
					back[i] = float64(dy[i]) * f.slope(float64(x[i]))
					more[i] = back[i] + float64(dx[i])
				}
				l.near(name, l.get(py), y, 1e-6)
				l.near(name+" back", l.get(set), back, 1e-6)
				l.near(name+" back, added", l.get(added), more, 1e-6)
			}
		})
	}
}

func TestLosses(t *testing.T) {
	labs(t, func(l *lab) {
		for _, wide := range []int{1, 2, 31, 33, 256, 257, 1000, 2052} {
			l.crossEntropy(5, wide, false)
			l.crossEntropy(5, wide, true)
			l.squaredError(5, wide)
		}
	})
}

// crossEntropy tries predictions in float32 or in bf16, which are rounded before.
func (l *lab) crossEntropy(rows, wide int, half bool) {
	l.t.Helper()
	y, targets := make([]float64, rows*wide), make([]int32, rows)
	for i, v := range l.random(rows * wide) {
		if y[i] = float64(v); half {
			y[i] = float64(floatOf(halfOf(v)))
		}
	}
	bits := make([]float32, rows)
	for i := range targets {
		targets[i] = int32(l.rand.IntN(wide))
		bits[i] = math.Float32frombits(uint32(targets[i]))
	}
	y[0] = 200 // whose exponential is no float32
	if wide > 500 {
		for j := range 400 { // a thread begins with nothing
			y[wide+j] = math.Inf(-1)
		}
		targets[1], bits[1] = int32(wide-1), math.Float32frombits(uint32(wide-1))
	}
	b := buffer{half: half}
	py, pt, loss, right := l.put(words(y, half)), l.put(bits), l.put(make([]float32, rows)), l.put(make([]float32, rows))
	grid := driver.Grid{X: rows, Threads: threads * (1 + l.rand.IntN(4))}
	l.run(func() error {
		return l.stream.Launch(l.kernels[b.kind("cross_entropy")], grid, driver.At(py.Pointer), driver.At(pt.Pointer), driver.At(loss.Pointer), driver.At(right.Pointer), driver.Float(0.5), driver.Int(wide))
	})
	losses, grads, marks := make([]float64, rows), make([]float64, rows*wide), l.get(right)
	for i := range rows {
		row := y[i*wide : (i+1)*wide]
		best, sum := 0, 0.0
		for j, v := range row {
			if v > row[best] {
				best = j
			}
			sum += math.Exp(v - 200)
		}
		losses[i] = 200 + math.Log(sum) - row[targets[i]]
		for j, v := range row {
			grads[i*wide+j] = 0.5 * math.Exp(v-200) / sum
		}
		grads[i*wide+int(targets[i])] -= 0.5
		if got := math.Float32bits(marks[i]) == 1; got != (best == int(targets[i])) {
			l.t.Errorf("row %d of %d values: right is %v", i, wide, got)
		}
	}
	l.near("cross_entropy", l.get(loss), losses, 1e-5)
	slopes, tolerance := l.get(py), 1e-5
	if half {
		slopes, tolerance = unpacked(slopes, rows*wide), 1.0/256
	}
	l.near("cross_entropy's gradient", slopes, grads, tolerance)
}

// unpacked returns n values of bf16 that lie in words.
func unpacked(packed []float32, n int) (vals []float32) {
	for i := range n {
		vals = append(vals, floatOf(uint16(math.Float32bits(packed[i/2])>>(i%2*16))))
	}
	return vals
}

func (l *lab) squaredError(rows, wide int) {
	l.t.Helper()
	y, want := l.random(rows*wide), l.random(rows*wide)
	py, pw, loss := l.put(y), l.put(want), l.put(make([]float32, rows))
	l.run(func() error {
		return l.blocks("squared_error", rows, driver.At(py.Pointer), driver.At(py.Pointer), driver.At(pw.Pointer), driver.At(loss.Pointer), driver.Float(0.25), driver.Int(wide))
	})
	losses, grads := make([]float64, rows), make([]float64, rows*wide)
	for i := range y {
		d := float64(y[i]) - float64(want[i])
		losses[i/wide] += d * d
		grads[i] = 0.25 * d
	}
	l.near("squared_error", l.get(loss), losses, 1e-5)
	l.near("squared_error's gradient", l.get(py), grads, 1e-5)
}

// A loss of NaN or of infinite predictions is NaN, not a number that looks well.
func TestLossesOfNoNumbers(t *testing.T) {
	labs(t, func(l *lab) {
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			y := l.random(300)
			y[270] = float32(bad)
			py, pt, loss := l.put(y), l.put(make([]float32, 1)), l.put(make([]float32, 1))
			l.run(func() error {
				return l.blocks("cross_entropy", 1, driver.At(py.Pointer), driver.At(pt.Pointer), driver.At(loss.Pointer), driver.At(0), driver.Float(1), driver.Int(300))
			})
			if v := l.get(loss)[0]; v == v && !math.IsInf(float64(v), 0) {
				l.t.Errorf("with %v: loss %v", bad, v)
			}
		}
	})
}

// Squares are summed in float64, so that large tensors lose nothing.
func TestSquares(t *testing.T) {
	labs(t, func(l *lab) {
		for _, n := range []int{1, 255, tensor.ChunkLen, tensor.ChunkLen + 1, 3*tensor.ChunkLen + 77} {
			x := l.random(n)
			parts := (n + tensor.ChunkLen - 1) / tensor.ChunkLen
			px, sums, root := l.put(x), l.put(make([]float32, 2*parts)), l.put(make([]float32, 2))
			l.run(func() error {
				if err := l.blocks("squares_of", parts, driver.At(sums.Pointer), driver.At(px.Pointer), driver.Long(int64(n))); err != nil {
					return err
				}
				return l.blocks("root", 1, driver.At(root.Pointer), driver.At(sums.Pointer), driver.Int(parts))
			})
			want := 0.0
			for _, v := range x {
				want += float64(v) * float64(v)
			}
			b := l.get(root)
			got := math.Float64frombits(uint64(math.Float32bits(b[0])) | uint64(math.Float32bits(b[1]))<<32)
			if math.Abs(got-math.Sqrt(want)) > 1e-12*math.Sqrt(want) {
				l.t.Errorf("%d values: %v, want %v", n, got, math.Sqrt(want))
			}
		}
	})
}
