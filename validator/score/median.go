package score

// This file holds the stake-weighted lower median.

import (
	"cmp"
	"math/bits"
	"slices"
)

// Opinion is one validator's value with its stake.
type Opinion[T any] struct {
	Value T
	Stake uint64
}

// Median returns the stake-weighted lower median: the least value such that the
// opinions at or below it hold at least half of the stake. It is the zero value
// for no opinions. The order of opinions does not matter; stakes must sum to
// less than 2^64.
func Median[T cmp.Ordered](opinions []Opinion[T]) T { return MedianBy(opinions, cmp.Compare[T]) }

// MedianBy is [Median] for values ordered by compare.
func MedianBy[T any](opinions []Opinion[T], compare func(a, b T) int) T {
	sorted := slices.Clone(opinions)
	slices.SortFunc(sorted, func(a, b Opinion[T]) int { return compare(a.Value, b.Value) })
	var total uint64
	for _, o := range sorted {
		total += o.Stake
	}
	var below uint64
	for _, o := range sorted {
		if below += o.Stake; below >= total-below {
			return o.Value
		}
	}
	var zero T
	return zero
}

// lowerMedian is the plain lower median of values, 0 for none.
func lowerMedian[T cmp.Ordered](values []T) T {
	var zero T
	if len(values) == 0 {
		return zero
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[(len(sorted)-1)/2]
}

// TwoThirds reports whether part is at least two thirds of whole.
func TwoThirds(part, whole uint64) bool {
	hi3, lo3 := bits.Mul64(part, 3)
	hi2, lo2 := bits.Mul64(whole, 2)
	return hi3 > hi2 || hi3 == hi2 && lo3 >= lo2
}
