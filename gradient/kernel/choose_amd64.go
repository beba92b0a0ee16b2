package kernel

// This file holds the choice between instruction sets. Each loop is asked for what
// it needs and no more: all but one do with the foundation of AVX-512.

import "golang.org/x/sys/cpu"

// level is an instruction set, best last.
type level int

const (
	plain level = iota
	avx2
	avx512
	vbmi2 // with AVX-512 on bytes
)

// best is what this processor runs.
var best = newBest()

func newBest() level {
	switch x := cpu.X86; {
	case !x.HasAVX2 || !x.HasPOPCNT:
		return plain
	case !x.HasAVX512F:
		return avx2
	case !x.HasAVX512BW || !x.HasAVX512VBMI2:
		return avx512
	}
	return vbmi2
}

func mark(mask []uint64, vals []float32, t uint32) { markAt(best, mask, vals, t) }

func markAt(l level, mask []uint64, vals []float32, t uint32) {
	switch l {
	case vbmi2, avx512:
		markAVX512(&mask[0], &vals[0], len(mask), t)
	case avx2:
		markAVX2(&mask[0], &vals[0], len(mask), t)
	default:
		plainMark(mask, vals, t)
	}
}

func places(index []uint16, mask []uint64) int { return placesAt(best, index, mask) }

func placesAt(l level, index []uint16, mask []uint64) int {
	if l == vbmi2 {
		return placesVBMI2(&index[0], &mask[0], len(mask))
	}
	return plainPlaces(index, mask)
}

func sumFrom(xs []uint32, t uint32) (sum, num uint64) { return sumFromAt(best, xs, t) }

func sumFromAt(l level, xs []uint32, t uint32) (sum, num uint64) {
	if l == plain {
		return plainSumFrom(xs, t)
	}
	return sumFromAVX2(&xs[0], len(xs)/fewLen, t)
}

func align(xs []uint32, vals []float32, least uint32) (top uint32) {
	return alignAt(best, xs, vals, least)
}

func alignAt(l level, xs []uint32, vals []float32, least uint32) (top uint32) {
	if l == plain {
		return plainAlign(xs, vals, least)
	}
	return alignAVX2(&xs[0], &vals[0], len(xs)/fewLen, least<<fractionBits)
}

func join(a, e, start, now []float32, beta float32) { joinAt(best, a, e, start, now, beta) }

func joinAt(l level, a, e, start, now []float32, beta float32) {
	switch l {
	case vbmi2, avx512:
		joinAVX512(&a[0], &e[0], &start[0], &now[0], beta, len(a)/GroupLen)
	case avx2:
		joinAVX2(&a[0], &e[0], &start[0], &now[0], beta, len(a)/GroupLen)
	default:
		plainJoin(a, e, start, now, beta)
	}
}
