package ptx

// This file holds numbers as registers hold them, and their rounding.

import "math"

func of32(v uint64) float32 { return math.Float32frombits(uint32(v)) }
func of64(v uint64) float64 { return math.Float64frombits(v) }
func f64(x float64) uint64  { return math.Float64bits(x) }

// f32 returns the bits of a result; NaN is that of NVIDIA's units.
func f32(x float32) uint64 {
	if x != x {
		return 0x7fffffff
	}
	return uint64(math.Float32bits(x))
}

// sticky returns a·b+c in float64 with its last bit set if it is not exact, so that another
// rounding gives what one rounding would (round to odd; Boldo and Melquiond, "Emulation of
// FMA and correctly rounded sums", 2008). Products of two float32 are exact.
func sticky(a, b, c float32) float64 {
	p, q := float64(a)*float64(b), float64(c)
	s := p + q
	if math.IsInf(s, 0) || math.IsNaN(s) {
		return s
	}
	// Knuth's TwoSum: s and err are together p+q.
	back := s - p
	err := (p - (s - back)) + (q - back)
	bits := math.Float64bits(s)
	if err == 0 || bits&1 == 1 {
		return s
	}
	if (err > 0) == (s > 0) {
		return math.Float64frombits(bits + 1)
	}
	return math.Float64frombits(bits - 1)
}

func fma32(a, b, c float32) float32 { return float32(sticky(a, b, c)) }

// fmaDown rounds towards minus infinity.
func fmaDown(a, b, c float32) float32 {
	s := sticky(a, b, c)
	f := float32(s)
	if float64(f) > s {
		f = math.Nextafter32(f, float32(math.Inf(-1)))
	}
	return f
}

// flush makes what is too small for a normal number zero, as .ftz does.
func flush(x float32) float32 {
	if bits := math.Float32bits(x); bits&0x7f800000 == 0 {
		return math.Float32frombits(bits & 0x80000000)
	}
	return x
}

// half rounds to bf16.
func half(x float32) uint64 {
	if x != x {
		return 0x7fff
	}
	u := math.Float32bits(x)
	return uint64((u + 0x7fff + u>>16&1) >> 16)
}

func ofHalf(v uint64) float32 { return math.Float32frombits(uint32(v&0xffff) << 16) }

// larger is max of floats: a number before NaN, +0 before -0.
func larger(a, b float64) float64 {
	switch {
	case a != a:
		return b
	case b != b:
		return a
	}
	return math.Max(a, b)
}

func smaller(a, b float64) float64 {
	switch {
	case a != a:
		return b
	case b != b:
		return a
	}
	return math.Min(a, b)
}
