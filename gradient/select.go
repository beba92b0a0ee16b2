package gradient

// This file holds the selection of the k largest magnitudes of a chunk.
//
// Definition: sort the indices by (magnitude descending, index ascending), take
// the first k, sort them by index. The selector reaches the same set faster: it
// gathers, in index order, the values at or above a threshold guessed from the
// chunk before, finds the k-th largest among those few and filters them once. A
// guess that gathered too few is lowered until it does not, so guesses change
// the time taken and never the result. Loops over single values have no branch
// that depends on them: such a branch would be mispredicted at every kept one.

import (
	"math"
	"math/bits"

	"lode/gradient/kernel"
	"lode/tensor"
)

const (
	magnitudeMask = 0x7fffffff // float32 bits without the sign; orders as the magnitudes do
	signBit       = 0x80000000
	notFinite     = 0x7f800000 // first magnitude bits that are no number
	guessFactor   = 0.9        // next threshold against this chunk's k-th magnitude
	retryFactor   = 0.75       // after a threshold that was too high
	maxRetries    = 4          // before everything is gathered
)

// selector selects within one chunk after another. The zero selector is ready.
type selector struct {
	guess   uint32 // threshold for the next chunk, as magnitude bits
	mask    [tensor.ChunkLen / kernel.GroupLen]uint64
	index   [tensor.ChunkLen]uint16
	key     [tensor.ChunkLen]uint32
	scratch [tensor.ChunkLen]uint32
}

// top returns the indices of the k largest magnitudes of vals, ascending, valid
// until the next call; bad is the index of the first value that is not finite,
// or -1. It needs 1 <= k <= len(vals) <= ChunkLen.
func (s *selector) top(vals []float32, k int) (index []uint16, bad int) {
	n, t := s.gather(vals, s.guess), s.guess
	for tries := 0; n < k; tries++ {
		t = scaleKey(t, retryFactor)
		if tries == maxRetries {
			t = 0
		}
		n = s.gather(vals, t)
	}
	for i, key := range s.key[:n] {
		if key >= notFinite {
			return nil, int(s.index[i])
		}
	}
	copy(s.scratch[:n], s.key[:n])
	kth := tensor.NthLargest(s.scratch[:n], k)
	s.guess = scaleKey(kth, guessFactor)
	return s.filter(n, k, kth), -1
}

// scaleKey returns the magnitude bits of key's value times factor.
func scaleKey(key uint32, factor float32) uint32 {
	return math.Float32bits(float32(math.Float32frombits(key) * factor))
}

// gather collects indices and magnitude bits of the values at or above t.
func (s *selector) gather(vals []float32, t uint32) int {
	mask := s.mask[:(len(vals)+kernel.GroupLen-1)/kernel.GroupLen]
	kernel.Mark(mask, vals, t)
	n := 0
	for i, word := range mask {
		group := vals[i*kernel.GroupLen:]
		for ; word != 0; word &= word - 1 {
			j := bits.TrailingZeros64(word)
			s.index[n] = uint16(i*kernel.GroupLen + j)
			s.key[n] = math.Float32bits(group[j]) & magnitudeMask
			n++
		}
	}
	return n
}

// filter keeps, of n gathered, those above kth and as many equal to it as fill
// up k, lowest index first.
func (s *selector) filter(n, k int, kth uint32) []uint16 {
	m := 0
	for i, key := range s.key[:n] {
		s.key[m], s.index[m] = key, s.index[i]
		m += int((kth - 1 - key) >> 31) // 1 if key >= kth; always if kth is 0
	}
	if m == k {
		return s.index[:k]
	}
	return s.dropTies(m, k, kth)
}

// dropTies keeps k of the m left, all of which are at least kth.
func (s *selector) dropTies(m, k int, kth uint32) []uint16 {
	greater := 0
	for _, key := range s.key[:m] {
		greater += int((kth - key) >> 31)
	}
	ties, kept := k-greater, 0
	for i, key := range s.key[:m] {
		if key == kth {
			if ties == 0 {
				continue
			}
			ties--
		}
		s.index[kept] = s.index[i]
		kept++
	}
	return s.index[:k]
}
