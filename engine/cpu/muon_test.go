package cpu

// This file tests what the Muon step makes of a matrix.

import (
	"math"
	"math/rand/v2"
	"testing"

	"lode/engine"
	"lode/engine/kernel"
)

// shapes of matrices: square, wide, tall, long as a chunk, of one row and one
// column.
var muonShapes = [][2]int{{96, 96}, {96, 256}, {256, 96}, {37, 12}, {12, 37}, {1, 7}, {7, 1}, {1, 1}, {5, 1000}}

func orthogonal(rows, cols, threads int, of []float32) []float32 {
	var b muon
	b.grow(len(of), min(rows, cols))
	copy(b.step, of)
	return b.orthogonal(&team{size: threads}, rows, cols)
}

// reflect turns x, rows × cols, by the reflection at the unit vector v, from the
// left where it has rows values, else from the right.
func reflect(x []float64, rows, cols int, v []float64, left bool) {
	outer, inner, stepOuter, stepInner := rows, cols, cols, 1
	if left {
		outer, inner, stepOuter, stepInner = cols, rows, 1, cols
	}
	for o := range outer {
		sum := 0.0
		for i := range inner {
			sum += v[i] * x[o*stepOuter+i*stepInner]
		}
		for i := range inner {
			x[o*stepOuter+i*stepInner] -= 2 * sum * v[i]
		}
	}
}

func unit(r *rand.Rand, n int) []float64 {
	v, sum := make([]float64, n), 0.0
	for i := range v {
		v[i] = r.NormFloat64()
		sum += v[i] * v[i]
	}
	for i := range v {
		v[i] /= math.Sqrt(sum)
	}
	return v
}

// turned returns H·diag(values)·K, rows × cols, of two reflections.
func turned(rows, cols int, values, h, k []float64) []float64 {
	x := make([]float64, rows*cols)
	for i, v := range values {
		x[i*cols+i] = v
	}
	reflect(x, rows, cols, h, true)
	reflect(x, rows, cols, k, false)
	return x
}

// TestOrthogonalKeepsDirections: a matrix of known singular values keeps its
// singular vectors, whatever its size, and its values become what the polynomial
// makes of them, near 1 where they are no tiny part of the whole.
func TestOrthogonalKeepsDirections(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, z := range muonShapes {
		rows, cols := z[0], z[1]
		values, length := make([]float64, min(rows, cols)), 0.0
		for i := range values {
			values[i] = 0.05 + r.Float64()
			length += values[i] * values[i]
		}
		want := make([]float64, len(values))
		for i, v := range values {
			v /= math.Sqrt(length)
			for range engine.MuonRounds {
				v = engine.MuonA*v + engine.MuonB*v*v*v + engine.MuonC*v*v*v*v*v
			}
			if want[i] = v; v < 0.65 || v > 1.25 {
				t.Errorf("%v: singular value %v of %v becomes %v", z, values[i], math.Sqrt(length), v)
			}
		}
		h, k := unit(r, rows), unit(r, cols)
		expect := turned(rows, cols, want, h, k)
		for _, size := range []float64{1, 1e-5, 1e12} {
			of := make([]float32, rows*cols)
			for i, v := range turned(rows, cols, values, h, k) {
				of[i] = float32(v * size)
			}
			// 1e-7 beside a norm of 1e-5 makes it smaller by a hundredth, which moves
			// values within the band.
			tolerance := 2e-4
			if size < 1 {
				tolerance = 0.05
			}
			for i, v := range orthogonal(rows, cols, 2, of) {
				if !(math.Abs(float64(v)-expect[i]) <= tolerance) {
					t.Fatalf("%v times %v: value %d is %v, want %v", z, size, i, v, expect[i])
				}
			}
		}
	}
}

// TestOrthogonalOfNoise: what comes of a matrix of noise is orthogonal within the
// polynomial's band: singular values of 0.7 to 1.2 have squares within 0.55 of 1.
func TestOrthogonalOfNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, z := range muonShapes {
		rows, cols := z[0], z[1]
		of := make([]float32, rows*cols)
		for i := range of {
			of[i] = float32(r.NormFloat64())
		}
		x := kernel.Dense(orthogonal(rows, cols, 1, of), rows, cols)
		side := min(rows, cols)
		square := kernel.Dense(make([]float32, side*side), side, side)
		if rows > cols {
			kernel.Mul(square, x.T(), x)
		} else {
			kernel.Mul(square, x, x.T())
		}
		trace := 0.0
		for i := range side {
			trace += float64(square.Data[i*(side+1)])
		}
		if mean := trace / float64(side); mean < 0.45 || mean > 1.3 {
			t.Errorf("%v: directions have squared length %v in the mean", z, mean)
		}
		off := 0.0 // Frobenius distance from the identity, squared
		for i, v := range square.Data {
			if i%(side+1) == 0 {
				v--
			}
			off += float64(v) * float64(v)
		}
		if off = math.Sqrt(off / float64(side)); off > 0.55 {
			t.Errorf("%v: XᵀX is %v from the identity, root mean square of its eigenvalues", z, off)
		}
	}
}

// TestOrthogonalOfNothing: zeros, and what is too small or too large for its
// square, stay finite.
func TestOrthogonalOfNothing(t *testing.T) {
	for _, v := range []float32{0, 1e-38, -3e38} {
		of := make([]float32, 24*17)
		for i := range of {
			of[i] = v
		}
		for i, got := range orthogonal(24, 17, 1, of) {
			if f := float64(got); math.IsNaN(f) || math.IsInf(f, 0) || v == 0 && got != 0 {
				t.Fatalf("all %v: value %d is %v", v, i, got)
			}
		}
	}
}
