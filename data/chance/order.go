package chance

// This file holds permutations of which any place is computed by itself.

import (
	"math/bits"

	"lode/protocol"
)

// Order is a permutation of 0 to n−1 that takes no memory, whatever n: a Feistel
// network over the least even number of bits that n needs, gone through again while it
// leads to n and beyond (Black and Rogaway, "Ciphers with arbitrary finite domains",
// 2002, section 4). It is for spreading evenly, not for keeping secrets. The zero Order
// has no places.
type Order struct {
	n    int
	half int       // bits of each half
	keys [6]uint64 // of the network's rounds
}

// NewOrder returns a permutation; other purposes, seeds and numbers give others.
func NewOrder(purpose string, n int, seed protocol.Digest, nums ...int) Order {
	o := Order{n: n, half: max(1, (bits.Len(uint(max(n-1, 0)))+1)/2)}
	d := New("order "+purpose, seed, nums...)
	for r := range o.keys {
		o.keys[r] = d.src.Uint64()
	}
	return o
}

// At returns what stands at place i, from 0 to n−1.
func (o Order) At(i int) int {
	if i < 0 || i >= o.n {
		panic("chance: no such place in the order")
	}
	for x := uint64(i); ; {
		if x = o.mix(x); x < uint64(o.n) {
			return int(x)
		}
	}
}

// mix permutes the numbers of 2·half bits.
func (o Order) mix(x uint64) uint64 {
	low := uint64(1)<<o.half - 1
	a, b := x>>o.half, x&low
	for _, key := range o.keys {
		a, b = b, a^scatter(b+key)&low
	}
	return a<<o.half | b
}

// scatter lets every bit change about half of all (MurmurHash3's 64-bit finaliser,
// A. Appleby, public domain).
func scatter(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
