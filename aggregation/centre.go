package aggregation

// This file holds the rules that look for a centre of whole rows step by step.
// Every point they meet is a combination of the rows, so that dot products are
// all they need. Floats go through correctly rounded operations alone, in the
// order of the rows' digests.

import "math"

const (
	weightBits      = 32 // of the weights a centre ends with
	medianSteps     = 16
	clippingSteps   = 3
	medianSmoothing = 0x1p-4 // of the distance that half of the rows are within
)

// geometricMedian returns the point with the least sum of distances to the rows,
// smoothed below half of them (Pillutla et al. 2022, arXiv:1912.13445). It starts
// at the row with the least such sum, and no step makes the sum greater.
func (g *gram) geometricMedian() blend {
	n := len(g.dots)
	weights := make([]float64, n)
	weights[g.medoid()] = 1
	smooth := float64(medianSmoothing * lowerMedian(g.distances(weights)))
	if smooth > 0 {
		weights = g.weiszfeld(weights, smooth, medianSteps)
	}
	return rounded(weights, 0)
}

// medoid returns the row with the least sum of distances to the others.
func (g *gram) medoid() int {
	best, least := 0, math.Inf(1)
	for i := range g.dots {
		sum := 0.0
		for j := range g.dots {
			sum += math.Sqrt(g.dist(i, j))
		}
		if sum < least {
			best, least = i, sum
		}
	}
	return best
}

// weiszfeld moves a point, given by its weights, steps times to the mean of the
// rows weighted by 1/max(smooth, distance).
func (g *gram) weiszfeld(weights []float64, smooth float64, steps int) []float64 {
	for range steps {
		next, sum := make([]float64, len(weights)), 0.0
		for i, d := range g.distances(weights) {
			next[i] = 1 / max(smooth, d)
			sum += next[i]
		}
		for i := range next {
			next[i] /= sum
		}
		weights = next
	}
	return weights
}

// centredClipping moves a point from 0 three times by the mean of its differences
// to the rows, each clipped to the lower median of their lengths (Karimireddy et
// al. 2021, arXiv:2012.10333, with a radius that follows from the rows).
func (g *gram) centredClipping() blend {
	weights, zero := make([]float64, len(g.dots)), 1.0
	for range clippingSteps {
		zero = g.clipStep(weights, zero, lowerMedian(g.distances(weights)))
	}
	return rounded(weights, zero)
}

// clipStep moves the point with these weights, and weight zero of the origin, by
// one step of radius and returns the origin's new weight.
func (g *gram) clipStep(weights []float64, zero, radius float64) float64 {
	n := float64(len(weights))
	pull, all := g.distances(weights), 0.0
	for i, d := range pull {
		pull[i] = 1
		if d > radius {
			pull[i] = radius / d
		}
		all += pull[i]
	}
	stay := 1 - all/n
	for i := range weights {
		weights[i] = float64(weights[i]*stay) + float64(pull[i]/n)
	}
	return float64(zero * stay)
}

// rounded returns the blend with these weights, of which the greatest becomes
// 2^32, and zero for the origin.
func rounded(weights []float64, zero float64) blend {
	top := zero
	for _, v := range weights {
		top = max(top, v)
	}
	whole := func(v float64) uint64 { return uint64(math.RoundToEven(math.Ldexp(v/top, weightBits))) }
	b := blend{weights: make([]uint64, len(weights)), den: whole(zero)}
	for i, v := range weights {
		b.weights[i] = whole(v)
		b.den += b.weights[i]
	}
	return b
}
