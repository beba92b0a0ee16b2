//go:build !amd64

package kernel

func addBytes(dst []int64, m []byte, scale float64) { plainAddBytes(dst, m, scale) }

func setBytes(dst []int64, m []byte, scale float64) { plainSetBytes(dst, m, scale) }

func add(dst, src []int64) { plainAdd(dst, src) }

func topOf(vals []int64) int64 { return plainTop(vals) }

func divide(vals []int64, n float64) { plainDivide(vals, n) }

func pack(bitmap, out []byte, vals []int64, scale, limit float64) int {
	return plainPack(bitmap, out, vals, scale, limit)
}

func exchangeRows(a, b []int64) { plainExchange(a, b) }
