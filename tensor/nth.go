package tensor

// This file holds the selection of one rank among many numbers.

import "math/bits"

// NthLargest returns the k-th largest of keys, 1 <= k <= len(keys), and reorders
// them. The highest bit of no key may be set. Definition: sort descending, take
// number k. Quickselect without a branch on single keys; when its pivots are bad it
// changes to bisection of the value range, so that no input takes quadratic time.
func NthLargest[K uint32 | uint64](keys []K, k int) K {
	for tries := 2 * bits.Len(uint(len(keys))); len(keys) > 1 && tries > 0; tries-- {
		a, b, c := keys[0], keys[len(keys)/2], keys[len(keys)-1]
		pivot := max(min(a, b), min(max(a, b), c))
		greater := partition(keys, pivot)
		if k <= greater {
			keys = keys[:greater]
			continue
		}
		keys, k = keys[greater:], k-greater
		if pivot == 0 {
			return 0
		}
		equal := partition(keys, pivot-1)
		if k <= equal {
			return pivot
		}
		keys, k = keys[equal:], k-equal
	}
	if len(keys) == 1 {
		return keys[0]
	}
	return bisect(keys, k)
}

// top returns how far to shift for the highest bit of a K.
func top[K uint32 | uint64]() int { return bits.Len64(uint64(^K(0))) - 1 }

// partition moves the keys above pivot to the front and returns their number.
func partition[K uint32 | uint64](keys []K, pivot K) int {
	n, shift := 0, top[K]()
	for i, key := range keys {
		keys[i] = keys[n]
		keys[n] = key
		n += int((pivot - key) >> shift)
	}
	return n
}

// bisect finds the k-th largest as the largest x with at least k keys >= x.
func bisect[K uint32 | uint64](keys []K, k int) K {
	x, shift := K(0), top[K]()
	for bit := K(1) << (shift - 1); bit != 0; bit >>= 1 {
		n := 0
		for _, key := range keys {
			n += int(((x | bit) - 1 - key) >> shift)
		}
		if n >= k {
			x |= bit
		}
	}
	return x
}
