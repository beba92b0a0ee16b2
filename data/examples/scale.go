package examples

// This file holds how features are brought to mean 0 and deviation 1.

import (
	"errors"
	"fmt"
	"math"
)

// Scale says what is taken off each feature and by what the rest is divided: of the
// columns of a table, or of the channels of pictures. It is made of some examples and
// used for all, and is to be kept with a model that was trained with it.
type Scale struct {
	Mean      []float64 `json:"mean"`
	Deviation []float64 `json:"deviation"` // 1 where all values are the same
}

// Measure returns the mean and the deviation of each feature over those examples.
func Measure(s *Set, of []int) (Scale, error) {
	if len(of) == 0 {
		return Scale{}, errors.New("examples: nothing to measure")
	}
	size, features := product(s.shape), s.shape[0]
	vals, sums, squares := make([]float32, size), make([]float64, features), make([]float64, features)
	// Squares are added up around the first example, so that little cancels.
	mid := make([]float64, features)
	for n, i := range of {
		if err := s.Read(vals, i); err != nil {
			return Scale{}, err
		}
		for j, v := range vals {
			f := j / (size / features)
			if n == 0 && j%(size/features) == 0 {
				mid[f] = float64(v)
			}
			x := float64(v) - mid[f]
			sums[f] += x
			squares[f] += float64(x * x)
		}
	}
	num := float64(len(of) * (size / features))
	for f, sum := range sums {
		mean := sum / num
		variance := squares[f]/num - float64(mean*mean)
		sums[f], squares[f] = mid[f]+mean, math.Sqrt(max(variance, 0))
		if squares[f] < 1e-12 {
			squares[f] = 1
		}
	}
	return Scale{sums, squares}, nil
}

// Standardise returns the set whose values v are (v − mean)/deviation.
func (s *Set) Standardise(by Scale) (*Set, error) {
	if len(by.Mean) != s.shape[0] || len(by.Deviation) != s.shape[0] {
		return nil, fmt.Errorf("examples: a scale of %d and %d features for shape %v", len(by.Mean), len(by.Deviation), s.shape)
	}
	for f, d := range by.Deviation {
		if m := by.Mean[f]; !(d > 0) || math.IsInf(d, 0) || m-m != 0 {
			return nil, fmt.Errorf("examples: feature %d has mean %v and deviation %v", f, m, d)
		}
	}
	if s.scale.Mean != nil {
		return nil, errors.New("examples: the set is standardised already")
	}
	out := *s
	out.scale = by
	return &out, nil
}

func (by Scale) apply(vals []float32, shape []int) {
	if by.Mean == nil {
		return
	}
	each := len(vals) / shape[0]
	for i, v := range vals {
		vals[i] = float32((float64(v) - by.Mean[i/each]) / by.Deviation[i/each])
	}
}
