package gradient

// This file holds what is asked of decoded vectors without writing them out:
// dot products and overlap. Merged steps are such vectors too.

import (
	"fmt"
	"math"

	"lode/tensor"
)

// Vector is a vector of length D given by its nonzero entries. An [Update] is
// one.
type Vector interface {
	Layout() tensor.Layout
	// Entries appends the nonzero values of chunk c in ascending position and
	// returns the exponent of their unit: each is Value·2^exp, and Value has at
	// most 24 significant bits.
	Entries(dst []Entry, c tensor.Chunk) (entries []Entry, exp int)
}

// Dot returns ⟨v, g⟩. Every product is exact; the products of a chunk are added
// in ascending position in float64, then the sums of the chunks in their order,
// so that every machine finds the same bits. A g that makes the result NaN or
// infinite is an error that wraps [ErrNotFinite].
func Dot(v Vector, g tensor.Reader) (float64, error) {
	var vals [tensor.ChunkLen]float32
	var entries []Entry
	l, total := v.Layout(), 0.0
	for c := range l.Chunks() {
		if err := g.ReadChunk(c, vals[:c.Len]); err != nil {
			return 0, fmt.Errorf("gradient: dot product, tensor %q chunk %d: %w", l.Spec(c.Tensor).Name, c.Index, err)
		}
		var exp int
		entries, exp = v.Entries(entries[:0], c)
		sum := 0.0
		for _, e := range entries {
			sum += float64(float64(e.Value) * float64(vals[e.Pos]))
		}
		total += math.Ldexp(sum, exp)
		if math.IsNaN(total) || math.IsInf(total, 0) {
			return 0, fmt.Errorf("gradient: dot product, tensor %q chunk %d: %w", l.Spec(c.Tensor).Name, c.Index, ErrNotFinite)
		}
	}
	return total, nil
}

// DotVectors returns ⟨a, b⟩, added up as [Dot] does.
func DotVectors(a, b Vector) (float64, error) {
	total := 0.0
	err := meet(a, b, func(both []pair, exp int) {
		sum := 0.0
		for _, p := range both {
			sum += float64(float64(p.a) * float64(p.b))
		}
		total += math.Ldexp(sum, exp)
	})
	return total, err
}

// Overlap returns the share of a's nonzero entries that b has too with the same
// sign, less that which b has with the other, as the floor of 65535 × share; 0 if
// a has none or more disagree. Of vectors that name every place half of the signs
// agree by chance, which says nothing. Of a b that names more places of a chunk
// than a does, as merged steps may, only as many of the largest count: to have sent
// those is to repeat it.
func Overlap(a, b Vector) (uint16, error) {
	l := a.Layout()
	if !SameLayout(l, b.Layout()) {
		return 0, fmt.Errorf("gradient: %d and %d values: %w", l.Len(), b.Layout().Len(), ErrLayout)
	}
	same, all := int64(0), int64(0)
	var as, bs []Entry
	var both []pair
	var keys []uint32
	for c := range l.Chunks() {
		as, _ = a.Entries(as[:0], c)
		bs, _ = b.Entries(bs[:0], c)
		bs, keys = largest(bs, len(as), keys)
		both = shared(both[:0], as, bs)
		for _, p := range both {
			if (p.a > 0) == (p.b > 0) {
				same++
			} else {
				same--
			}
		}
		all += int64(len(as))
	}
	if all == 0 || same < 0 {
		return 0, nil
	}
	return uint16(same * math.MaxUint16 / all), nil
}

// largest keeps the k entries of largest magnitude, as float32 tells them apart, the
// lower position first among equals. keys is scratch space, returned grown.
func largest(entries []Entry, k int, keys []uint32) ([]Entry, []uint32) {
	if k >= len(entries) {
		return entries, keys
	}
	if k == 0 {
		return entries[:0], keys
	}
	key := func(e Entry) uint32 { return math.Float32bits(float32(max(e.Value, -e.Value))) }
	keys = keys[:0]
	for _, e := range entries {
		keys = append(keys, key(e))
	}
	kth := tensor.NthLargest(keys, k)
	ties := k
	for _, e := range entries {
		if key(e) > kth {
			ties--
		}
	}
	kept := entries[:0]
	for _, e := range entries {
		switch x := key(e); {
		case x > kth:
			kept = append(kept, e)
		case x == kth && ties > 0:
			kept = append(kept, e)
			ties--
		}
	}
	return kept, keys
}

// SubtractVector takes v off the D values of dst: one float32 subtraction for each
// value that v names.
func SubtractVector(dst tensor.Flat, v Vector) {
	var entries []Entry
	var exp int
	for c := range v.Layout().Chunks() {
		entries, exp = v.Entries(entries[:0], c)
		for _, e := range entries {
			dst[c.Offset+int(e.Pos)] -= float32(math.Ldexp(float64(e.Value), exp))
		}
	}
}

// pair is two values at one position.
type pair struct{ a, b int64 }

// meet calls visit for each chunk with the positions that a and b share and the
// sum of their exponents. The pairs are valid during the call.
func meet(a, b Vector, visit func(both []pair, exp int)) error {
	l := a.Layout()
	if !SameLayout(l, b.Layout()) {
		return fmt.Errorf("gradient: %d and %d values: %w", l.Len(), b.Layout().Len(), ErrLayout)
	}
	var as, bs []Entry
	var both []pair
	for c := range l.Chunks() {
		var ea, eb int
		as, ea = a.Entries(as[:0], c)
		bs, eb = b.Entries(bs[:0], c)
		both = shared(both[:0], as, bs)
		visit(both, ea+eb)
	}
	return nil
}

// shared appends the values at the positions that as and bs share.
func shared(dst []pair, as, bs []Entry) []pair {
	for i, j := 0, 0; i < len(as) && j < len(bs); {
		switch x, y := as[i], bs[j]; {
		case x.Pos < y.Pos:
			i++
		case x.Pos > y.Pos:
			j++
		default:
			dst = append(dst, pair{x.Value, y.Value})
			i, j = i+1, j+1
		}
	}
	return dst
}

// SameLayout tells whether a and b list tensors of the same names, shapes and kinds.
func SameLayout(a, b tensor.Layout) bool {
	if a.NumTensors() != b.NumTensors() || a.Len() != b.Len() {
		return false
	}
	for t := range a.NumTensors() {
		x, y := a.Spec(t), b.Spec(t)
		if x.Name != y.Name || x.Kind != y.Kind || len(x.Shape) != len(y.Shape) {
			return false
		}
		for i := range x.Shape {
			if x.Shape[i] != y.Shape[i] {
				return false
			}
		}
	}
	return true
}

// RelativeError returns ‖a − decoded‖/‖a‖, the noise that compression added, or
// 0 if a is zero; for people and tests, not for decisions.
func (u *Update) RelativeError(a tensor.Reader) (float64, error) {
	var vals [tensor.ChunkLen]float32
	lost, all := 0.0, 0.0
	for c := range u.f.layout.Chunks() {
		if err := a.ReadChunk(c, vals[:c.Len]); err != nil {
			return 0, fmt.Errorf("gradient: relative error, tensor %q chunk %d: %w", u.f.layout.Spec(c.Tensor).Name, c.Index, err)
		}
		all += squares(vals[:c.Len])
		u.SubtractFrom(c, Unclipped, vals[:c.Len])
		lost += squares(vals[:c.Len])
	}
	if all == 0 {
		return 0, nil
	}
	return math.Sqrt(lost / all), nil
}

func squares(vals []float32) float64 {
	sum := 0.0
	for _, v := range vals {
		sum += float64(float64(v) * float64(v))
	}
	return sum
}
