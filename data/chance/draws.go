package chance

// This file holds whole numbers and permutations.

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"lode/protocol"
)

// Draws is a sequence of numbers fixed by a seed. It uses nothing of math/rand/v2
// but the ChaCha8 generator, which is specified to the bit
// (https://c2sp.org/chacha8rand); how that package makes ranges and shuffles of
// it is not.
type Draws struct{ src *rand.ChaCha8 }

// New begins a sequence; other purposes, seeds and numbers begin others.
func New(purpose string, seed protocol.Digest, nums ...int) Draws {
	parts := [][]byte{seed[:]}
	for _, n := range nums {
		parts = append(parts, binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	return Draws{rand.NewChaCha8(protocol.Hash(purpose, parts...))}
}

// Below returns a number from 0 to n−1, all equally likely; n is above 0.
// (Lemire, "Fast random integer generation in an interval", 2019, section 4.)
func (d Draws) Below(n int) int {
	m := uint64(n)
	hi, lo := bits.Mul64(d.src.Uint64(), m)
	if lo < m {
		for least := -m % m; lo < least; {
			hi, lo = bits.Mul64(d.src.Uint64(), m)
		}
	}
	return int(hi)
}

// Permuted returns the first k ≤ n values of a permutation of 0 to n−1. The
// values for a smaller k are a prefix of those for a larger one, and the cost
// is that of k, not of n (Fisher–Yates with the untouched places left out, where k
// is much less than n).
func (d Draws) Permuted(n, k int) []int {
	if k > n/16 {
		return d.shuffled(n, k)[:k:k]
	}
	moved := make(map[int]int, k)
	at := func(i int) int {
		if v, ok := moved[i]; ok {
			return v
		}
		return i
	}
	out := make([]int, k)
	for i := range out {
		j := i + d.Below(n-i)
		out[i] = at(j)
		moved[j] = at(i)
	}
	return out
}

// shuffled returns 0 to n−1, the first k in the order of Permuted.
func (d Draws) shuffled(n, k int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for i := range k {
		j := i + d.Below(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return all
}
