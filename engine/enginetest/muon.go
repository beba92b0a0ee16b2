package enginetest

// This file holds the reference's Muon step, in plain loops.

import "math"

// matrix is rows of equal length.
type matrix [][]float64

func newMatrix(rows, cols int) matrix {
	m := make(matrix, rows)
	for i := range m {
		m[i] = make([]float64, cols)
	}
	return m
}

func (a matrix) times(b matrix) matrix {
	c := newMatrix(len(a), len(b[0]))
	for i := range a {
		for j := range b {
			add(c[i], a[i][j], b[j])
		}
	}
	return c
}

func (a matrix) turned() matrix {
	b := newMatrix(len(a[0]), len(a))
	for i, row := range a {
		for j, v := range row {
			b[j][i] = v
		}
	}
	return b
}

// orthogonal is Algorithm 2 of K. Jordan's "Muon", 2024, in 5 rounds.
func (a matrix) orthogonal() matrix {
	if len(a) > len(a[0]) {
		return a.turned().orthogonal().turned()
	}
	length := 0.0
	for _, row := range a {
		length += dot(row, row)
	}
	x := newMatrix(len(a), len(a[0]))
	for i, row := range a {
		add(x[i], 1/(math.Sqrt(length)+1e-7), row)
	}
	for range 5 {
		square := x.times(x.turned())
		forth := square.times(square)
		next := newMatrix(len(x), len(x[0]))
		cubed, fifth := square.times(x), forth.times(x)
		for i := range next {
			add(next[i], 3.4445, x[i])
			add(next[i], -4.7750, cubed[i])
			add(next[i], 2.0315, fifth[i])
		}
		x = next
	}
	return x
}

// muon moves w, rows × cols, against g; first is its momentum.
func muon(w, g, first []float64, cols int, rate, decay float64) {
	look := newMatrix(len(w)/cols, cols)
	for i, v := range g {
		first[i] = 0.95*first[i] + 0.05*v
		look[i/cols][i%cols] = 0.95*first[i] + 0.05*v
	}
	longer := math.Sqrt(float64(max(len(look), cols)))
	for i, row := range look.orthogonal() {
		for j, v := range row {
			w[i*cols+j] -= rate * (decay*w[i*cols+j] + 0.2*longer*v)
		}
	}
}
