// Package chance draws numbers that everybody draws alike from a seed: bit for bit
// on every processor. It has no source of its own and knows nothing of what the
// numbers are for.
//
// [Draws] is a sequence, begun by [New]: whole numbers, permutations and, by
// operations that IEEE 754 rounds correctly alone, uniform, normal and gamma
// variates. [Order] is a permutation of which each place is computed by itself. [Log]
// and [Exp] are what those need; package math has other last bits on other processors.
//
// A Draws belongs to one goroutine; an Order does not change.
package chance
