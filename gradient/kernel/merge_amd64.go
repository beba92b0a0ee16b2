package kernel

// This file holds, for the loops of the merge, the choice between instruction sets.
// Every processor with AVX2 has POPCNT.

func addBytes(dst []int64, m []byte, scale float64) { addBytesAt(best, dst, m, scale) }

func addBytesAt(l level, dst []int64, m []byte, scale float64) {
	switch l {
	case avx512:
		addBytesAVX512(&dst[0], &m[0], scale, len(dst)/GroupLen)
	case avx2:
		addBytesAVX2(&dst[0], &m[0], scale, len(dst)/GroupLen)
	default:
		plainAddBytes(dst, m, scale)
	}
}

func setBytes(dst []int64, m []byte, scale float64) { setBytesAt(best, dst, m, scale) }

func setBytesAt(l level, dst []int64, m []byte, scale float64) {
	switch l {
	case avx512:
		setBytesAVX512(&dst[0], &m[0], scale, len(dst)/GroupLen)
	case avx2:
		setBytesAVX2(&dst[0], &m[0], scale, len(dst)/GroupLen)
	default:
		plainSetBytes(dst, m, scale)
	}
}

func add(dst, src []int64) { addAt(best, dst, src) }

func addAt(l level, dst, src []int64) {
	switch l {
	case avx512:
		addAVX512(&dst[0], &src[0], len(dst)/GroupLen)
	case avx2:
		addAVX2(&dst[0], &src[0], len(dst)/GroupLen)
	default:
		plainAdd(dst, src)
	}
}

func topOf(vals []int64) int64 { return topAt(best, vals) }

func topAt(l level, vals []int64) int64 {
	switch l {
	case avx512:
		return topAVX512(&vals[0], len(vals)/GroupLen)
	case avx2:
		return topAVX2(&vals[0], len(vals)/GroupLen)
	}
	return plainTop(vals)
}

func divide(vals []int64, n float64) { divideAt(best, vals, n) }

func divideAt(l level, vals []int64, n float64) {
	switch l {
	case avx512:
		divideAVX512(&vals[0], n, len(vals)/GroupLen)
	case avx2:
		divideAVX2(&vals[0], n, len(vals)/GroupLen)
	default:
		plainDivide(vals, n)
	}
}

func pack(bitmap, out []byte, vals []int64, scale, limit float64) int {
	return packAt(best, bitmap, out, vals, scale, limit)
}

func packAt(l level, bitmap, out []byte, vals []int64, scale, limit float64) int {
	switch l {
	case avx512:
		return packAVX512(&bitmap[0], &out[0], &vals[0], scale, limit, len(vals)/GroupLen)
	case avx2:
		return packAVX2(&bitmap[0], &out[0], &vals[0], scale, limit, len(vals)/GroupLen)
	}
	return plainPack(bitmap, out, vals, scale, limit)
}

func exchangeRows(a, b []int64) { exchangeAt(best, a, b) }

func exchangeAt(l level, a, b []int64) {
	switch l {
	case avx512:
		exchangeAVX512(&a[0], &b[0], len(a)/GroupLen)
	case avx2:
		exchangeAVX2(&a[0], &b[0], len(a)/GroupLen)
	default:
		plainExchange(a, b)
	}
}
