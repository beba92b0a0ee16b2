package gradient

// This file holds the cosine codec: top-k among the coefficients of the discrete
// cosine transform of runs of 64 values, as DeMo compresses (arXiv:2411.19870,
// section 3). DeMo transforms matrices by blocks of 64×64; here every tensor is
// cut the same way, in runs, and a shorter rest stays as it is.
//
// What decodes is exact: coefficients are integers, and so are the cosines.

import (
	"math"

	"lode/tensor"
)

const (
	run        = 64
	cosineBits = 12
	// headroom is by how many bits a decoded value may pass its largest
	// coefficient: 64·√(2/64) < 2^4.
	headroom = 4
)

// quarter holds round(2^12·cos(πj/128)) for j from 0 to 64.
var quarter = [run + 1]int32{
	4096, 4095, 4091, 4085, 4076, 4065, 4052, 4036, 4017, 3996, 3973, 3948, 3920,
	3889, 3857, 3822, 3784, 3745, 3703, 3659, 3612, 3564, 3513, 3461, 3406, 3349,
	3290, 3229, 3166, 3102, 3035, 2967, 2896, 2824, 2751, 2675, 2598, 2520, 2440,
	2359, 2276, 2191, 2106, 2019, 1931, 1842, 1751, 1660, 1567, 1474, 1380, 1285,
	1189, 1092, 995, 897, 799, 700, 601, 501, 401, 301, 201, 101, 0,
}

// basis holds round(2^12·s_k·cos(π(2i+1)k/128)) at [k][i], s_0 = √(1/64) and
// s_k = √(2/64) otherwise: the rows of the orthonormal transform.
var basis = newBasis()

func newBasis() (b [run][run]int32) {
	for k := range run {
		for i := range run {
			v := cosine((2*i + 1) * k)
			if k == 0 {
				b[k][i] = v / 8
				continue
			}
			const root = 185364 // round(2^20·√(2/64))
			b[k][i] = int32((int64(v)*root + 1<<19) >> 20)
		}
	}
	return b
}

// cosine returns round(2^12·cos(πj/128)) for j from 0.
func cosine(j int) int32 {
	switch j %= 4 * run; {
	case j <= run:
		return quarter[j]
	case j <= 2*run:
		return -quarter[2*run-j]
	case j <= 3*run:
		return -quarter[j-2*run]
	default:
		return quarter[4*run-j]
	}
}

// dct keeps coefficients as topk keeps values.
type dct struct{ topk }

func newDCT(p Params, k int) dct {
	p.EMax -= headroom
	return dct{topk{p, k}}
}

func (c dct) encode(b []byte, vals []float32, s *scratch) (bad int) {
	for i, v := range vals {
		if math.Float32bits(v)&magnitudeMask >= notFinite {
			return i
		}
	}
	var coefs [tensor.ChunkLen]float32
	at := 0
	for ; at+run <= len(vals); at += run {
		for k := range run {
			sum := 0.0
			for i, v := range vals[at : at+run] {
				sum += float64(float64(v) * float64(basis[k][i]))
			}
			coefs[at+k] = float32(math.Ldexp(min(max(sum, -math.MaxFloat32), math.MaxFloat32), -cosineBits))
		}
	}
	copy(coefs[at:], vals[at:])
	return c.topk.encode(b, coefs[:len(vals)], s)
}

// decode transforms back what b holds of n values, in units of 2^EMin, rounded
// to 24 digits.
func (c dct) decode(b []byte, n int) (x [tensor.ChunkLen]int64) {
	var buf [tensor.ChunkLen]Entry
	whole := n - n%run
	for _, e := range c.topk.entries(buf[:0], b, n) {
		at := int(e.Pos)
		if at >= whole {
			x[at] = e.Value << cosineBits
			continue
		}
		for i, v := range basis[at%run] {
			x[at-at%run+i] += e.Value * int64(v)
		}
	}
	for i, v := range x[:n] {
		x[i] = int64(float32(math.RoundToEven(math.Ldexp(float64(v), -cosineBits))))
	}
	return x
}

func (c dct) entries(dst []Entry, b []byte, n int) []Entry {
	x := c.decode(b, n)
	for i, v := range x[:n] {
		if v != 0 {
			dst = append(dst, Entry{uint16(i), v})
		}
	}
	return dst
}

func (c dct) add(dst []int64, b []byte, r Rounding) {
	x := c.decode(b, len(dst))
	for i := range dst {
		dst[i] += r.Round(x[i])
	}
}

func (c dct) subtract(dst []float32, b []byte, scale float64) {
	x := c.decode(b, len(dst))
	for i := range dst {
		dst[i] -= float32(float64(x[i]) * scale)
	}
}
