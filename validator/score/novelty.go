package score

// This file holds the projection that makes replayed work worthless.

// Novel returns the first-order score of what is new in an update: ⟨g, Δ − PΔ⟩,
// where P projects onto the span of the last merged steps s_1 … s_n. It needs
// only functionals:
//
//	dot      ⟨g, Δ⟩
//	gs[i]    ⟨g, s_i⟩
//	ds[i]    ⟨Δ, s_i⟩
//	gram     ⟨s_i, s_j⟩, n rows of n, symmetric
//
// An exact replay of a merged step, or any mixture of them, scores 0. Steps that
// depend linearly on earlier ones (a zero step, say) are left out.
func Novel(dot float64, gs, ds []float64, gram [][]float64) float64 {
	n := len(gs)
	// Gram–Schmidt in coefficient space: basis[k] holds the coefficients of an
	// orthogonal vector in terms of the steps.
	var basis [][]float64
	var norms []float64
	inner := func(a, b []float64) float64 {
		var sum float64
		for i := range n {
			for j := range n {
				sum += float64(float64(a[i]*gram[i][j]) * b[j])
			}
		}
		return sum
	}
	for k := range n {
		v := make([]float64, n)
		v[k] = 1
		e := v
		v = append([]float64(nil), v...)
		for b := range basis {
			c := inner(e, basis[b]) / norms[b]
			for i := range v {
				v[i] -= float64(c * basis[b][i])
			}
		}
		// A remainder below a hundred-thousandth of the step is rounding, not
		// direction.
		if q := inner(v, v); q > 1e-10*gram[k][k] && q > 0 {
			basis = append(basis, v)
			norms = append(norms, q)
		}
	}
	for b, v := range basis {
		var g, d float64
		for i := range n {
			g += float64(v[i] * gs[i])
			d += float64(v[i] * ds[i])
		}
		dot -= float64(g*d) / norms[b]
	}
	return dot
}
