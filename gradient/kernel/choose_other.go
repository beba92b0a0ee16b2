//go:build !amd64

package kernel

func mark(mask []uint64, vals []float32, t uint32) { plainMark(mask, vals, t) }

func places(index []uint16, mask []uint64) int { return plainPlaces(index, mask) }

func sumFrom(xs []uint32, t uint32) (sum, num uint64) { return plainSumFrom(xs, t) }

func align(xs []uint32, vals []float32, least uint32) (top uint32) {
	return plainAlign(xs, vals, least)
}

func join(a, e, start, now []float32, beta float32) { plainJoin(a, e, start, now, beta) }
