package gradient

// This file holds the selection of the k largest magnitudes of a chunk.
//
// Definition: sort the indices by (magnitude descending, index ascending), take
// the first k, sort them by index. The selector reaches the same set by counting
// how many values reach a threshold: first of all values, with a threshold that the
// chunk before suggests, until few more than k are left; then of those few. Guesses
// change the time taken and never the result. No loop has a branch that depends on
// a single value: it would be mispredicted at every kept one.

import (
	"math/bits"

	"lode/gradient/kernel"
	"lode/tensor"
)

const (
	magnitudeMask = 0x7fffffff // float32 bits without the sign; orders as the magnitudes do
	signBit       = 0x80000000
	notFinite     = 0x7f800000 // first magnitude bits that are no number

	maxGuesses = 4  // before everything is gathered
	maxProbes  = 12 // before the range is halved each time

	// tail is how far a threshold is moved, in magnitude bits, where e times fewer
	// values are to reach it: about that much if their number falls with its cube.
	tail = 1 << 22

	// margin is how far below the threshold of one chunk the guess for the next is:
	// a third more values reach it.
	margin = tail * 3 / 10
)

// selector selects within one chunk after another. The zero selector is ready.
type selector struct {
	guess uint32                                       // threshold for the next chunk, as magnitude bits
	near  gathered                                     // values that reach a guess, then zeros up to a whole word of marks
	best  gathered                                     // the k largest
	mask  [2][tensor.ChunkLen / kernel.GroupLen]uint64 // values that reach a threshold, and those that reach another
	place [tensor.ChunkLen]uint16
}

// gathered are values of a chunk and their indices, ascending.
type gathered struct {
	index [tensor.ChunkLen]uint16
	val   [tensor.ChunkLen]float32
}

// top returns the k largest magnitudes of vals, ascending by index: indices and
// values, valid until the next call; bad is the index of the first value that is
// not finite, or -1. It needs 1 <= k <= len(vals) <= ChunkLen.
func (s *selector) top(vals []float32, k int) (index []uint16, val []float32, bad int) {
	t := s.guessed(vals, k)
	n := s.near.gather(vals, s.mask[0][:numWords(len(vals))])
	words := numWords(n)
	padded := s.near.val[:words*kernel.GroupLen]
	clear(padded[n:])
	if mask := s.mask[0][:words]; reached(mask, padded, notFinite) > 0 {
		kernel.Places(s.place[:], mask)
		return nil, nil, int(s.near.index[s.place[0]])
	}
	from := &s.near
	if n > k {
		t = s.narrow(padded, t, n, k)
		s.best.pick(from, s.place[:kernel.Places(s.place[:], s.mask[0][:words])])
		from = &s.best
	}
	s.guess = t - min(t, margin)
	return from.index[:k], from.val[:k], -1
}

func numWords(n int) int { return (n + kernel.GroupLen - 1) / kernel.GroupLen }

// reached marks the values whose magnitude bits are at least t and returns their
// number.
func reached(mask []uint64, vals []float32, t uint32) int {
	kernel.Mark(mask, vals, t)
	n := 0
	for _, word := range mask {
		n += bits.OnesCount64(word)
	}
	return n
}

// moved returns the threshold that about want values may reach where n reach t.
func moved(t uint32, n, want int) uint32 {
	by := 2 * tail * (n - want) / (n + want) // as ln(n/want), but nowhere far
	return uint32(min(max(int(t)+by, 0), notFinite-1))
}

// guessed marks the values that reach some threshold, k or more, and returns it.
func (s *selector) guessed(vals []float32, k int) (t uint32) {
	t = s.guess
	mask := s.mask[0][:numWords(len(vals))]
	for tries := 0; ; tries++ {
		switch n := reached(mask, vals, t); {
		case n >= k && (n <= 2*k+kernel.GroupLen || t == 0 || tries >= maxGuesses):
			return t
		case tries >= maxGuesses:
			t = 0
		default:
			t = moved(t, n, k+k/4)
		}
	}
}

// gather collects the values that are marked and returns their number.
func (g *gathered) gather(vals []float32, mask []uint64) int {
	n := kernel.Places(g.index[:], mask)
	for i, at := range g.index[:n] {
		g.val[i] = vals[at]
	}
	return n
}

// pick collects the values at places of others.
func (g *gathered) pick(from *gathered, places []uint16) {
	for i, at := range places {
		g.index[i], g.val[i] = from.index[at], from.val[at]
	}
}

// narrow marks the k largest of n values, all of which reach low, with zeros after
// them, and returns a threshold that they reach.
func (s *selector) narrow(vals []float32, low uint32, n, k int) uint32 {
	mask, above := s.mask[0][:numWords(n)], s.mask[1][:numWords(n)]
	high, numHigh := uint32(notFinite), 0
	marked := false
	for tries := 0; n > k && high-low > 1; tries++ {
		t := probe(low, high, n, numHigh, k, tries)
		num := reached(mask, vals, t)
		if marked = num >= k; marked {
			low, n = t, num
		} else {
			high, numHigh = t, num
		}
	}
	if !marked {
		reached(mask, vals, low)
	}
	if n > k { // low itself is there more than once: the first of them fill up
		reached(above, vals, high)
		firstOf(mask, above, k-numHigh)
	}
	return low
}

// probe returns the threshold between low and high to try next: n and numHigh reach
// these two, k are wanted.
func probe(low, high uint32, n, numHigh, k, tries int) uint32 {
	t := uint64(low) + uint64(high-low)/2
	switch {
	case tries >= maxProbes || high == notFinite && n > 8*k && low != 0:
	case low == 0:
		t = 1 // there may be fewer than k that are not zero
	case high == notFinite:
		t = uint64(moved(low, n, k))
	default:
		t = uint64(low) + uint64(high-low)*uint64(2*(n-k)+1)/uint64(2*(n-numHigh)+2)
	}
	return uint32(min(max(t, uint64(low)+1), uint64(high)-1))
}

// firstOf leaves in mask what above has, and the first num of the rest.
func firstOf(mask, above []uint64, num int) {
	for i, rest := range mask {
		rest &^= above[i]
		mask[i] = above[i]
		for ; rest != 0 && num > 0; num-- {
			mask[i] |= rest & -rest
			rest &= rest - 1
		}
	}
}
