package kernel

// This file holds the choice between instruction sets. A processor that has
// AVX-512 is asked for nothing beyond its foundation.

import "golang.org/x/sys/cpu"

// level is an instruction set, best last.
type level int

const (
	plain level = iota
	avx2
	avx512
)

// best is what this processor runs.
var best = newBest()

func newBest() level {
	switch {
	case cpu.X86.HasAVX512F:
		return avx512
	case cpu.X86.HasAVX2:
		return avx2
	}
	return plain
}

func mark(mask []uint64, vals []float32, t uint32) { markAt(best, mask, vals, t) }

func markAt(l level, mask []uint64, vals []float32, t uint32) {
	switch l {
	case avx512:
		markAVX512(&mask[0], &vals[0], len(mask), t)
	case avx2:
		markAVX2(&mask[0], &vals[0], len(mask), t)
	default:
		plainMark(mask, vals, t)
	}
}

func join(a, e, start, now []float32, beta float32) { joinAt(best, a, e, start, now, beta) }

func joinAt(l level, a, e, start, now []float32, beta float32) {
	switch l {
	case avx512:
		joinAVX512(&a[0], &e[0], &start[0], &now[0], beta, len(a)/GroupLen)
	case avx2:
		joinAVX2(&a[0], &e[0], &start[0], &now[0], beta, len(a)/GroupLen)
	default:
		plainJoin(a, e, start, now, beta)
	}
}
