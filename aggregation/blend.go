package aggregation

// This file holds blends: weighted means of whole rows, rounded once.

import (
	"math/bits"

	"lode/tensor"
)

// blend is the row Σ weights[w]·x_w / den. The weights add up to at most den, so
// that at every place the result lies between the least and the greatest of the
// rows and 0. den is below 2^63; |x_w| <= 2^44 keeps sums within 128 bits and
// results within 2^44.
type blend struct {
	weights []uint64
	den     uint64
}

// evenly returns the mean of the rows for which chosen is true, among num.
func evenly(num int, chosen func(w int) bool) blend {
	b := blend{weights: make([]uint64, num)}
	for w := range b.weights {
		if chosen(w) {
			b.weights[w] = 1
			b.den++
		}
	}
	return b
}

// of returns the blend of what the rows are blends of. Those share one den;
// the product of both stays below 2^63 (see doc.go).
func (b blend) of(rows []blend) blend {
	if rows == nil {
		return b
	}
	out := blend{weights: make([]uint64, len(rows[0].weights)), den: b.den * rows[0].den}
	for j, weight := range b.weights {
		for w, inner := range rows[j].weights {
			out.weights[w] += weight * inner
		}
	}
	return out
}

// isMean tells whether all rows count alike and for all there is.
func (b blend) isMean() bool {
	for _, weight := range b.weights {
		if weight*uint64(len(b.weights)) != b.den {
			return false
		}
	}
	return true
}

// sum writes the blend of rows to dst, which is zero when it comes.
func (b blend) sum(dst []int64, rows []Row, s *sums) {
	n := len(dst)
	clear(s.hi[:n])
	clear(s.lo[:n])
	for w, row := range rows {
		if b.weights[w] != 0 {
			s.add(row, b.weights[w])
		}
	}
	for i := range dst {
		if s.hi[i]|s.lo[i] != 0 {
			dst[i] = divideWide(s.hi[i], s.lo[i], b.den)
		}
	}
}

// sums holds a sum for each place of a chunk: 128 bits in two's complement.
type sums struct{ hi, lo [tensor.ChunkLen]uint64 }

func (s *sums) add(row Row, weight uint64) {
	for _, t := range row {
		hi, lo := bits.Mul64(magnitude(t.Value), weight)
		sign := uint64(t.Value >> 63) // all bits if below 0
		lo, carry := bits.Add64(lo^sign, sign&1, 0)
		hi = (hi ^ sign) + carry
		s.lo[t.Pos], carry = bits.Add64(s.lo[t.Pos], lo, 0)
		s.hi[t.Pos], _ = bits.Add64(s.hi[t.Pos], hi, carry)
	}
}

// blendRule is a rule that makes a blend of whole rows.
type blendRule struct{ blend }

func (r blendRule) combine(dst []int64, rows table, s *scratch) {
	if chunk, ok := rows.(*chunkRows); ok && r.isMean() {
		for w := range chunk.num() {
			chunk.addTo(dst, w)
		}
		divideAll(dst, int64(chunk.num()))
		return
	}
	r.sum(dst, rows.terms(), &s.sums)
}
