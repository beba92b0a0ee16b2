package data

// This file holds chance: numbers that everybody draws alike from a seed.

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"lode/protocol"
)

// draws is a sequence of numbers fixed by a seed. It uses nothing of
// math/rand/v2 but the ChaCha8 generator, which is specified to the bit
// (https://c2sp.org/chacha8rand); how that package makes ranges and shuffles of
// it is not.
type draws struct{ src *rand.ChaCha8 }

// draw begins a sequence; other purposes and numbers begin others.
func draw(purpose string, seed protocol.Digest, nums ...int) draws {
	parts := [][]byte{seed[:]}
	for _, n := range nums {
		parts = append(parts, binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	return draws{rand.NewChaCha8(protocol.Hash("data "+purpose, parts...))}
}

// below returns a number from 0 to n−1, all equally likely; n is above 0.
// (Lemire, "Fast random integer generation in an interval", 2019, section 4.)
func (d draws) below(n int) int {
	m := uint64(n)
	hi, lo := bits.Mul64(d.src.Uint64(), m)
	if lo < m {
		for least := -m % m; lo < least; {
			hi, lo = bits.Mul64(d.src.Uint64(), m)
		}
	}
	return int(hi)
}

// permuted returns the first k ≤ n values of a permutation of 0 to n−1. The
// values for a smaller k are a prefix of those for a larger one, and the cost
// is that of k, not of n (Fisher–Yates with the untouched places left out).
func (d draws) permuted(n, k int) []int {
	moved := make(map[int]int, k)
	at := func(i int) int {
		if v, ok := moved[i]; ok {
			return v
		}
		return i
	}
	out := make([]int, k)
	for i := range out {
		j := i + d.below(n-i)
		out[i] = at(j)
		moved[j] = at(i)
	}
	return out
}
