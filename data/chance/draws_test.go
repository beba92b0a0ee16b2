package chance

import (
	"slices"
	"testing"

	"lode/protocol"
)

// shuffle is the plain loop that Permuted must match: Fisher–Yates over all n.
func shuffle(d Draws, n, k int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for i := range k {
		j := i + d.Below(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:k]
}

func TestPermutedIsAShuffle(t *testing.T) {
	for n := range 40 {
		for k := range n + 1 {
			seed := protocol.Digest{byte(n), byte(k)}
			got, want := New("x", seed).Permuted(n, k), shuffle(New("x", seed), n, k)
			if !slices.Equal(got, want) {
				t.Fatalf("%d of %d: got %v, want %v", k, n, got, want)
			}
			if long := New("x", seed).Permuted(n, n); !slices.Equal(long[:k], got) {
				t.Fatalf("%d of %d is no prefix of the whole permutation", k, n)
			}
		}
	}
}

func TestBelow(t *testing.T) {
	d := New("x", protocol.Digest{})
	var counts [6]int
	for range 6000 {
		counts[d.Below(6)]++
	}
	for i, n := range counts { // mean 1000, standard deviation 29
		if n < 850 || n > 1150 {
			t.Errorf("%d came %d times of 6000", i, n)
		}
	}
	for range 100 {
		if n := d.Below(1); n != 0 {
			t.Fatalf("below 1 is %d", n)
		}
		if n := d.Below(1<<62 + 1); n < 0 || n > 1<<62 {
			t.Fatalf("below 2^62+1 is %d", n)
		}
	}
}

func TestDrawsDiffer(t *testing.T) {
	seen := map[uint64]string{}
	for name, d := range map[string]Draws{
		"a": New("a", protocol.Digest{}), "b": New("b", protocol.Digest{}), "seed": New("a", protocol.Digest{1}),
		"number": New("a", protocol.Digest{}, 0), "another": New("a", protocol.Digest{}, 1), "two": New("a", protocol.Digest{}, 0, 0),
	} {
		v := d.src.Uint64()
		if other, ok := seen[v]; ok {
			t.Errorf("%s and %s begin alike", name, other)
		}
		seen[v] = name
	}
}
