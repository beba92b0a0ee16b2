package tensor

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestNthLargestIsTheDefinition(t *testing.T) {
	nthIsTheDefinition[uint32](t)
	nthIsTheDefinition[uint64](t)
}

func nthIsTheDefinition[K uint32 | uint64](t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 3000 {
		keys := make([]K, 1+r.IntN(300))
		span := K(1) << r.IntN(top[K]())
		for j := range keys {
			switch i % 4 {
			case 0:
				keys[j] = K(r.Uint64()) & (span - 1)
			case 1:
				keys[j] = K(j) & (span - 1) // ascending
			case 2:
				keys[j] = K(len(keys)-j) & (span - 1)
			default:
				keys[j] = span
			}
		}
		sorted := slices.Sorted(slices.Values(keys))
		k := 1 + r.IntN(len(keys))
		want := sorted[len(sorted)-k]
		if got := bisect(keys, k); got != want {
			t.Fatalf("bisect(%v, %d) = %d, want %d", keys, k, got, want)
		}
		if got := NthLargest(slices.Clone(keys), k); got != want {
			t.Fatalf("NthLargest(%v, %d) = %d, want %d", keys, k, got, want)
		}
	}
}

// Keys that make every pivot bad still end, by bisection.
func TestNthLargestOfBadPivots(t *testing.T) {
	keys := make([]uint64, 4096)
	for i := range keys {
		keys[i] = uint64(i % 2 * 1e9)
	}
	keys[0], keys[len(keys)/2], keys[len(keys)-1] = 0, 0, 0
	if got := NthLargest(keys, 100); got != 1e9 {
		t.Errorf("got %d", got)
	}
}
