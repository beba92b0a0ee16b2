package score

import (
	"math"
	"math/rand/v2"
	"testing"
)

func dense(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return v
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += float64(a[i] * b[i])
	}
	return sum
}

// mix returns Σ c_i·v_i.
func mix(c []float64, vs [][]float64) []float64 {
	out := make([]float64, len(vs[0]))
	for k, v := range vs {
		for i := range out {
			out[i] += float64(c[k] * v[i])
		}
	}
	return out
}

// without returns v less its projection onto the span of steps, taken out of the
// dense vectors twice over (Gram–Schmidt with reorthogonalisation).
func without(v []float64, steps [][]float64) []float64 {
	var basis [][]float64
	remove := func(v []float64) []float64 {
		for range 2 {
			for _, b := range basis {
				v = mix([]float64{1, -dot(v, b)}, [][]float64{v, b})
			}
		}
		return v
	}
	for _, s := range steps {
		r := remove(s)
		if n := math.Sqrt(dot(r, r)); n > 1e-9*math.Sqrt(dot(s, s)) && n > 0 {
			basis = append(basis, mix([]float64{1 / n}, [][]float64{r}))
		}
	}
	return remove(v)
}

// novel asks Novel with the functionals of dense vectors.
func novel(g, delta []float64, steps [][]float64) float64 {
	n := len(steps)
	gs, ds, gram := make([]float64, n), make([]float64, n), make([][]float64, n)
	for i, s := range steps {
		gs[i], ds[i], gram[i] = dot(g, s), dot(delta, s), make([]float64, n)
		for j, r := range steps {
			gram[i][j] = dot(s, r)
		}
	}
	return Novel(dot(g, delta), gs, ds, gram)
}

func near(t *testing.T, what string, got, want, scale float64) {
	t.Helper()
	// Functionals lose up to the square root of the threshold for directions, 1e-5.
	if math.IsNaN(got) || math.Abs(got-want) > 1e-7*scale {
		t.Errorf("%s: got %g, want %g at scale %g", what, got, want, scale)
	}
}

func TestNovelAgainstDenseProjection(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		d := 20 + rng.IntN(40)
		steps := make([][]float64, rng.IntN(9))
		for i := range steps {
			steps[i] = mix([]float64{math.Exp(rng.NormFloat64())}, [][]float64{dense(rng, d)})
		}
		if len(steps) > 2 { // not orthogonal, and one that follows from two others
			steps[0] = mix([]float64{1, 0.9}, [][]float64{steps[0], steps[1]})
			steps[2] = mix([]float64{2, -1}, steps[:2])
		}
		g, delta := dense(rng, d), dense(rng, d)
		near(t, "a random update", novel(g, delta, steps), dot(g, without(delta, steps)), math.Sqrt(dot(g, g)*dot(delta, delta)))
	}
}

func TestNovelIsZeroForOldWork(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		steps := [][]float64{dense(rng, 50), dense(rng, 50), dense(rng, 50)}
		g := dense(rng, 50)
		c := dense(rng, 3)
		for what, old := range map[string][]float64{
			"a replayed step":  steps[rng.IntN(3)],
			"a scaled replay":  mix([]float64{-40}, steps[1:2]),
			"a mixture":        mix(c, steps),
			"an empty update":  make([]float64, 50),
			"a flipped replay": mix([]float64{-1}, steps[:1]),
		} {
			near(t, what, novel(g, old, steps), 0, math.Sqrt(dot(g, g)*max(1, dot(old, old))))
		}
	}
}

func TestNovelKeepsHonestWork(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 200 {
		steps := [][]float64{dense(rng, 50), dense(rng, 50)}
		g := dense(rng, 50)
		honest := without(dense(rng, 50), steps)
		near(t, "an update at right angles to all steps", novel(g, honest, steps), dot(g, honest), math.Sqrt(dot(g, g)*dot(honest, honest)))
		both := mix([]float64{1, 3}, [][]float64{honest, steps[0]})
		near(t, "with a replay added", novel(g, both, steps), dot(g, honest), math.Sqrt(dot(g, g)*dot(both, both)))
	}
	if got := Novel(7, nil, nil, nil); got != 7 {
		t.Errorf("no steps: got %g, want all of 7", got)
	}
}

// Steps that are zero, equal or nearly so do not upset the projection.
func TestNovelDegenerateSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	g, s := dense(rng, 40), dense(rng, 40)
	scale := math.Sqrt(dot(g, g) * dot(s, s))
	zero := make([]float64, 40)
	near(t, "after zero steps", novel(g, s, [][]float64{zero, zero}), dot(g, s), scale)
	near(t, "the step twice", novel(g, s, [][]float64{s, zero, s}), 0, scale)
	for _, apart := range []float64{1e-2, 1e-3, 1e-4, 1e-6, 1e-9, 1e-15} {
		almost := mix([]float64{1, apart}, [][]float64{s, dense(rng, 40)})
		// What is left of a replay when the difference counts as rounding.
		if got := novel(g, almost, [][]float64{s, almost}); math.IsNaN(got) || math.Abs(got) > 3e-6*scale {
			t.Errorf("replay of a step %g apart from another: got %g at scale %g", apart, got, scale)
		}
	}
}
