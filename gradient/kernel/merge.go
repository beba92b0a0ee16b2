package kernel

// This file holds the loops of the merge and what they mean. All round to nearest,
// ties to even.

import (
	"encoding/binary"
	"math"
)

const (
	// MaxMagnitude bounds what the loops that go through float64 take: with a digit
	// to spare for sums, and with the integers' own rounding as the only one.
	MaxMagnitude = 1<<51 - 1

	// PackRoom is how many bytes beyond its result [Pack] may write to.
	PackRoom = 16
)

// AddBytes adds m[i]·scale, rounded, to dst[i], m[i] taken as a signed byte. The
// products must be exact in float64, so scale has at most 45 binary digits, and at
// most MaxMagnitude. dst and m have the same length.
func AddBytes(dst []int64, m []byte, scale float64) {
	if len(m) != len(dst) {
		panic("kernel: lengths differ")
	}
	n := len(dst) / GroupLen * GroupLen
	if n > 0 {
		addBytes(dst[:n], m[:n], scale)
	}
	if n < len(dst) {
		plainAddBytes(dst[n:], m[n:], scale)
	}
}

func plainAddBytes(dst []int64, m []byte, scale float64) {
	rounded := roundedBytes(scale)
	for i, b := range m {
		dst[i] += rounded[b]
	}
}

// SetBytes sets dst[i] to what [AddBytes] adds to it.
func SetBytes(dst []int64, m []byte, scale float64) {
	if len(m) != len(dst) {
		panic("kernel: lengths differ")
	}
	n := len(dst) / GroupLen * GroupLen
	if n > 0 {
		setBytes(dst[:n], m[:n], scale)
	}
	if n < len(dst) {
		plainSetBytes(dst[n:], m[n:], scale)
	}
}

func plainSetBytes(dst []int64, m []byte, scale float64) {
	rounded := roundedBytes(scale)
	for i, b := range m {
		dst[i] = rounded[b]
	}
}

// roundedBytes returns every byte, taken as signed, times scale.
func roundedBytes(scale float64) (rounded [256]int64) {
	for i := range rounded {
		rounded[i] = int64(math.RoundToEven(float64(int8(i)) * scale))
	}
	return rounded
}

// Add adds src to dst. Both have the same length.
func Add(dst, src []int64) {
	if len(src) != len(dst) {
		panic("kernel: lengths differ")
	}
	n := len(dst) / GroupLen * GroupLen
	if n > 0 {
		add(dst[:n], src[:n])
	}
	plainAdd(dst[n:], src[n:])
}

func plainAdd(dst, src []int64) {
	for i, v := range src {
		dst[i] += v
	}
}

// Top returns the largest magnitude of vals, of which none is −2^63; 0 of none.
func Top(vals []int64) uint64 {
	n, top := len(vals)/GroupLen*GroupLen, int64(0)
	if n > 0 {
		top = topOf(vals[:n])
	}
	return uint64(max(top, plainTop(vals[n:])))
}

func plainTop(vals []int64) int64 {
	top := int64(0)
	for _, v := range vals {
		top = max(top, v, -v)
	}
	return top
}

// Divide divides vals, of magnitudes up to MaxMagnitude, by n, which is at least 1
// and at most that. The quotient of such numbers is not near enough to a tie for its
// own rounding, to 53 digits, to make it one: it differs from one by 1/(2n) at least.
func Divide(vals []int64, n int64) {
	m := len(vals) / GroupLen * GroupLen
	if m > 0 {
		divide(vals[:m], float64(n))
	}
	plainDivide(vals[m:], float64(n))
}

func plainDivide(vals []int64, n float64) {
	for i, v := range vals {
		vals[i] = int64(math.RoundToEven(float64(v) / n))
	}
}

// Pack rounds vals[i]·2^−shift, for magnitudes up to MaxMagnitude, to integers of at
// most limit, below 2^15, in magnitude. It writes those that are not 0 to out, as
// int16, little-endian, and which these are to bitmap, lowest bit first, and returns
// how many bytes of out it used. bitmap has ⌈len(vals)/8⌉ bytes, out 2·len(vals) and
// PackRoom.
func Pack(bitmap, out []byte, vals []int64, shift uint, limit int16) int {
	if len(bitmap) != (len(vals)+7)/8 || len(out) < 2*len(vals)+PackRoom {
		panic("kernel: no room to pack")
	}
	scale := math.Ldexp(1, -int(shift))
	n, used := len(vals)/GroupLen*GroupLen, 0
	if n > 0 {
		used = pack(bitmap[:n/8], out, vals[:n], scale, float64(limit))
	}
	return used + plainPack(bitmap[n/8:], out[used:], vals[n:], scale, float64(limit))
}

func plainPack(bitmap, out []byte, vals []int64, scale, limit float64) int {
	clear(bitmap)
	used := 0
	for i, v := range vals {
		q := int16(math.RoundToEven(min(max(float64(v)*scale, -limit), limit)))
		if q == 0 {
			continue
		}
		bitmap[i/8] |= 1 << (i % 8)
		binary.LittleEndian.PutUint16(out[used:], uint16(q))
		used += 2
	}
	return used
}

// Exchange puts the lesser of a[i] and b[i] into a[i], the greater into b[i]. Both
// have the same length.
func Exchange(a, b []int64) {
	if len(b) != len(a) {
		panic("kernel: lengths differ")
	}
	n := len(a) / GroupLen * GroupLen
	if n > 0 {
		exchangeRows(a[:n], b[:n])
	}
	if n < len(a) {
		plainExchange(a[n:], b[n:])
	}
}

func plainExchange(a, b []int64) {
	b = b[:len(a)]
	for i, x := range a {
		y := b[i]
		a[i], b[i] = min(x, y), max(x, y)
	}
}
