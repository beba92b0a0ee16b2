package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// lengths has zero, odd ones, whole registers and their neighbours.
var lengths = []int{0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 96, 100, 255, 256, 257, 1000}

// call runs one kernel of a set on copies of the inputs and returns everything
// it wrote. in holds five vectors of equal length and two scalars.
type call struct {
	name string
	run  func(s set, v [5][]float32, a, b float32) []float32
}

var calls = []call{
	{"dot", func(s set, v [5][]float32, _, _ float32) []float32 { return []float32{s.dot(v[0], v[1])} }},
	{"axpy", func(s set, v [5][]float32, a, _ float32) []float32 { s.axpy(v[0], a, v[1]); return v[0] }},
	{"scale", func(s set, v [5][]float32, a, _ float32) []float32 { s.scale(v[0], a); return v[0] }},
	{"softmax", func(s set, v [5][]float32, a, _ float32) []float32 {
		if len(v[0]) == 0 {
			return nil // left to the exported function
		}
		top, sum := s.softmax(v[0], float32(math.Abs(float64(a)))+0.01)
		return append(v[0], top+float32(math.Log(float64(sum))))
	}},
	{"softmaxBack", func(s set, v [5][]float32, a, b float32) []float32 {
		s.softmaxBack(v[0], v[1], a, b+3, a-b)
		return append(v[0], v[1]...)
	}},
	{"swiglu", func(s set, v [5][]float32, _, _ float32) []float32 { s.swiglu(v[0], v[1], v[2]); return v[0] }},
	{"swigluBack", func(s set, v [5][]float32, _, _ float32) []float32 {
		s.swigluBack(v[0], v[1], v[2], v[3], v[4])
		return append(v[0], v[1]...)
	}},
	{"norm", func(s set, v [5][]float32, _, _ float32) []float32 {
		r := s.norm(v[0], v[1], v[2], 1e-5)
		return append(v[0], r)
	}},
	{"normBack", func(s set, v [5][]float32, a, _ float32) []float32 {
		s.normBack(v[0], v[1], v[2], v[3], v[4], a)
		return append(v[0], v[1]...)
	}},
	{"adamw", func(s set, v [5][]float32, a, b float32) []float32 {
		for i, x := range v[3] {
			v[3][i] = x * x
		}
		s.adamw(v[0], v[1], v[2], v[3], &AdamStep{Scale: a, Keep1: 0.9, Take1: 0.1, Keep2: 0.95, Take2: 0.05, Rate: b, Unit2: 1.5, Eps: 1e-8, Decay: 0.01})
		return append(append(v[0], v[2]...), v[3]...)
	}},
}

// inputs returns five vectors inside larger ones whose rest must stay as it is.
func inputs(r *rand.Rand, n int, odd bool) (v, whole [5][]float32) {
	for i := range v {
		whole[i] = values(r, n+16)
		v[i] = whole[i][:n:n]
		if odd && n > 0 {
			strange := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, 200, -200, 1e30, -1e30}
			v[i][r.IntN(n)] = strange[r.IntN(len(strange))]
		}
	}
	return v, whole
}

func TestVectorsMatchPlain(t *testing.T) {
	for _, s := range available() {
		for _, c := range calls {
			t.Run(s.name+"/"+c.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				for _, n := range lengths {
					for trial := range 20 {
						v, whole := inputs(r, n, trial >= 10)
						var copies [5][]float32
						for i := range v {
							copies[i] = append([]float32(nil), v[i]...)
						}
						tails := fmt.Sprint(tail(whole, n))
						a, b := float32(r.NormFloat64()), float32(r.NormFloat64())
						want := c.run(plain, copies, a, b)
						compare(t, n, c.run(s, v, a, b), want, trial >= 10)
						if got := fmt.Sprint(tail(whole, n)); got != tails {
							t.Fatalf("length %d: wrote beyond the slice", n)
						}
					}
				}
			})
		}
	}
}

func tail(whole [5][]float32, n int) (out [][]float32) {
	for _, w := range whole {
		out = append(out, w[n:])
	}
	return out
}

// compare allows the rounding of sums of up to a thousand terms of size one.
// Among strange values, sums of both huge signs may round to anything huge, so
// only NaN, infinities and small results are compared there.
func compare(t *testing.T, n int, got, want []float32, odd bool) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("length %d: %d results, want %d", n, len(got), len(want))
	}
	for i, w := range want {
		g, w := float64(got[i]), float64(w)
		if g == w || (math.IsNaN(g) && math.IsNaN(w)) {
			continue
		}
		if odd && (math.Abs(w) > 1e20 || math.Abs(g) > 1e20 || math.IsNaN(w)) && math.IsNaN(g) == math.IsNaN(w) {
			continue
		}
		if !(math.Abs(g-w) <= 2e-5*(1+math.Abs(w))) {
			t.Fatalf("length %d: result %d is %v, want %v", n, i, g, w)
		}
	}
}

func TestRotateMatchesPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range available() {
		for _, half := range lengths {
			for _, heads := range []int{0, 1, 3} {
				x, cos, sin := values(r, 2*half*heads), values(r, half), values(r, half)
				want := append([]float32(nil), x...)
				rotatePlain(want, cos, sin)
				s.rotate(x, cos, sin)
				compare(t, half, x, want, false)
			}
		}
	}
}

func TestRotateUndoesItself(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	x := values(r, 3*24)
	before := append([]float32(nil), x...)
	cos, sin, neg := make([]float32, 12), make([]float32, 12), make([]float32, 12)
	for i := range cos {
		s, c := math.Sincos(r.Float64() * 6)
		cos[i], sin[i], neg[i] = float32(c), float32(s), float32(-s)
	}
	Rotate(x, cos, sin)
	Rotate(x, cos, neg)
	compare(t, 24, x, before, false)
}

// TestSoftmaxExpAccuracy holds the fast exp to float64 over its whole range.
func TestSoftmaxExpAccuracy(t *testing.T) {
	for _, s := range available() {
		for x := -110.0; x < 0; x += 0.0137 {
			v := []float32{0, float32(x)}
			_, sum := s.softmax(v, 1)
			got, want := float64(v[1])*float64(sum), math.Exp(float64(float32(x)))
			if d := math.Abs(got - want); d > 4e-7*want+3e-45 {
				t.Fatalf("%s: exp(%v) is %v, want %v", s.name, x, got, want)
			}
		}
	}
}

func TestWrongLengthsPanic(t *testing.T) {
	x, y := make([]float32, 4), make([]float32, 5)
	for name, f := range map[string]func(){
		"dot":         func() { Dot(x, y) },
		"axpy":        func() { Axpy(x, 1, y) },
		"softmaxBack": func() { SoftmaxBack(x, y, 1, 1, 1) },
		"swiglu":      func() { SwiGLU(x, x, y) },
		"swigluBack":  func() { SwiGLUBack(x, x, x, x, y) },
		"norm":        func() { Norm(x, x, y, 1) },
		"normBack":    func() { NormBack(x, x, x, x, y, 1) },
		"rotate":      func() { Rotate(y, x[:2], x[:2]) },
		"rotate none": func() { Rotate(y, nil, nil) },
		"adamw":       func() { AdamW(x, x, x, y, &AdamStep{}) },
		"mul sizes":   func() { Mul(Dense(x, 2, 2), Dense(x, 2, 2), Dense(x, 1, 4)) },
		"mul short":   func() { Mul(Dense(x, 2, 2), Dense(x, 2, 3), Dense(make([]float32, 6), 3, 2)) },
		"mul columns": func() { Mul(Dense(x, 2, 2).T(), Dense(x, 2, 2), Dense(x, 2, 2)) },
		"sub":         func() { Dense(x, 2, 2).Sub(1, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			f()
		})
	}
}
