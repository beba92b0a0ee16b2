//go:build !amd64

package kernel

func mark(mask []uint64, vals []float32, t uint32) { plainMark(mask, vals, t) }

func join(a, e, start, now []float32, beta float32) { plainJoin(a, e, start, now, beta) }
