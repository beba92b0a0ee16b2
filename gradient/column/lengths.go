package column

// This file holds the choice of code lengths for a short column, where the table
// that tells them takes as much as a tenth: the fewer different lengths there are the
// shorter it is, of which Huffman's algorithm knows nothing.

import (
	"math/bits"
	"slices"
)

const (
	longest   = 11 // bits of a code (RFC 8878, section 4.2.1)
	mostMoved = 32 // codes that change their length in one step
)

// lengths says how many codes there are of each length; Σ n·2^−length is 1. The
// bytes that occur most often have the shortest.
type lengths [longest + 1]int

// ranking holds the bytes of a column that occur, the most frequent first.
type ranking struct {
	all    [256]byte
	bytes  []byte   // of all, those that occur
	upTo   [257]int // how often the first i of them occur, all together
	last   int      // which of them is the highest: the table need not tell its length
	absent int      // bytes below it that do not occur: the table names them too
}

func (r *ranking) rank(col []byte) {
	var num [256]int
	for _, b := range col {
		num[b]++
	}
	r.bytes = r.all[:0]
	last := 0
	for b, n := range num {
		if n > 0 {
			r.bytes, last = append(r.bytes, byte(b)), b
		}
	}
	slices.SortStableFunc(r.bytes, func(a, b byte) int { return num[b] - num[a] })
	for i, b := range r.bytes {
		r.upTo[i+1] = r.upTo[i] + num[b]
	}
	r.last = slices.Index(r.bytes, byte(last))
	r.absent = last + 1 - len(r.bytes)
}

// fraction is how many bits after the point costs have.
const fraction = 16

// nLogN holds n·log2(n).
var nLogN = newNLogN()

func newNLogN() (t [257]int) {
	for n := 1; n < len(t); n++ {
		t[n] = n * log2(uint32(n))
	}
	return t
}

// log2 returns the logarithm of n, which is not 0, rounded down: each squaring of the
// number between 1 and 2 that is left gives one more bit of it.
func log2(n uint32) int {
	whole := bits.Len32(n) - 1
	x, log := uint64(n)<<(31-whole), whole // x in units of 2^−31
	for range fraction {
		x = x * x >> 31
		log = log<<1 | int(x>>32)
		x >>= x >> 32
	}
	return log
}

// cost returns the bits that the column and its table take, but for a constant, in
// units of 2^−fraction; the table is entropy-coded.
func (r *ranking) cost(n *lengths) int {
	size, at, table := 0, 0, -nLogN[r.absent]
	for length, num := range n {
		size += length * (r.upTo[at+num] - r.upTo[at])
		told := num
		if at <= r.last && r.last < at+num {
			told--
		}
		table -= nLogN[told]
		at += num
	}
	return size<<fraction + table
}

// fit returns lengths of low cost: it starts with codes as equal as can be and takes
// the best step there is until none helps. Two bytes or more must occur.
func (r *ranking) fit() lengths {
	var n lengths
	short := bits.Len(uint(len(r.bytes))) - 1
	n[short] = 2<<short - len(r.bytes)
	n[short+1] = len(r.bytes) - n[short]
	for {
		next := r.step(n)
		if next == n {
			return n
		}
		n = next
	}
}

// step returns the lengths of least cost among n and those where some codes of one
// length are shorter by a bit, and as many of another longer as that takes.
func (r *ranking) step(n lengths) lengths {
	best, least := n, r.cost(&n)
	for from := 2; from <= longest; from++ {
		for to := 1; to < longest; to++ {
			for times := 1; times <= mostMoved; times *= 2 {
				next, ok := n.moved(from, to, times)
				if !ok {
					break
				}
				if c := r.cost(&next); c < least {
					best, least = next, c
				}
			}
		}
	}
	return best
}

// moved returns n with codes of length from shorter by a bit and codes of length to
// longer, the fewest that balance, so many times.
func (n lengths) moved(from, to, times int) (_ lengths, ok bool) {
	shorter, longer := times, times
	if from > to+1 {
		shorter <<= from - to - 1
	} else {
		longer <<= to + 1 - from
	}
	n[from] -= shorter
	n[from-1] += shorter
	n[to] -= longer
	n[to+1] += longer
	return n, n[from] >= 0 && n[to] >= 0
}
