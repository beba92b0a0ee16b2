package gradient

// This file holds top-k: the k largest values of a chunk, as positions, signs and
// levels.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"lode/gradient/column"
	"lode/tensor"
)

// topk keeps k of 4,096 values.
type topk struct {
	p Params
	k int
}

const (
	scaleLen = 3 // exponent, high mantissa, low mantissa
	numCodes = 1 << maxValueBits
)

// sparse is the plain form of one chunk, cut into its parts.
type sparse struct {
	scale     []byte // exponent, high mantissa, low mantissa
	positions []byte // k × uint16, little-endian
	codes     []byte // k codes of Bits bits, lowest bits first
}

// kept returns ⌈k·n/4096⌉.
func (c topk) kept(n int) int {
	if n == tensor.ChunkLen {
		return c.k
	}
	return (c.k*n + tensor.ChunkLen - 1) / tensor.ChunkLen
}

func (c topk) codesLen(k int) int { return (c.p.Bits*k + 7) / 8 }

func (c topk) size(n int) int {
	k := c.kept(n)
	return scaleLen + 2*k + c.codesLen(k)
}

func (c topk) cut(b []byte, n int) (s sparse, k int) {
	k = c.kept(n)
	return sparse{b[:scaleLen], b[scaleLen : scaleLen+2*k], b[scaleLen+2*k:]}, k
}

// top is the number of the highest level, which is also the mask of a code's
// level; the bit above it is the sign.
func (c topk) top() byte { return 1<<(c.p.Bits-1) - 1 }

func (c topk) packing() *packing { return &codePackings[c.p.Bits-1] }

func (c topk) read(codes []byte) numbers { return numbers{packing: c.packing(), packed: codes} }

func (c topk) encode(b []byte, vals []float32, s *scratch) (bad int) {
	index, val, bad := s.sel.top(vals, c.kept(len(vals)))
	if bad >= 0 {
		return bad
	}
	xs, code := s.xs[:len(index)], s.code[:len(index)]
	lv := fit(xs, magnitudes(xs, val), c.p)
	hi, lo := c.assign(code, xs, lv)
	if hi == 0 {
		firstPositions(index)
	} else if c.addSigns(code, val, lo); lo == 0 && c.top() != 0 {
		settleZeros(index, code, len(vals))
	}
	c.put(b, len(vals), lv.exp, hi, lo, index, code)
	return -1
}

// assign gives each magnitude the number of its level and returns the outer
// mantissas as the canonical form wants them: somebody takes each of them, and
// lo is 0 if all take hi.
func (c topk) assign(code []byte, xs []uint32, lv levels) (hi, lo byte) {
	clear(code)
	top := c.top()
	if lv.mantissa[top] == 0 {
		return 0, 0
	}
	for _, cut := range lv.cut[1 : top+1] {
		for i, x := range xs {
			code[i] += reach(uint64(x), cut)
		}
	}
	if bytes.IndexByte(code, top) < 0 {
		code[slices.Index(xs, slices.Max(xs))] = top
	}
	if numTop := bytes.Count(code, []byte{top}); numTop == len(xs) {
		return byte(lv.mantissa[top]), 0
	}
	if bytes.IndexByte(code, 0) < 0 {
		code[slices.Index(xs, slices.Min(xs))] = 0
	}
	return byte(lv.mantissa[top]), byte(lv.mantissa[0])
}

// settleZeros gives the entries that decode to zero, and so may stand anywhere,
// the lowest positions of n that are free: the one canonical choice. index stays
// ascending.
func settleZeros(index []uint16, code []byte, n int) {
	var taken [tensor.ChunkLen]byte
	zeros := 0
	for i, at := range index {
		if code[i] != 0 {
			taken[at] = code[i]
		} else {
			zeros++
		}
	}
	m := 0
	for at := 0; at < n && m < len(index); at++ {
		if taken[at] == 0 {
			if zeros == 0 {
				continue
			}
			zeros--
		}
		index[m], code[m] = uint16(at), taken[at]
		m++
	}
}

func firstPositions(index []uint16) {
	for i := range index {
		index[i] = uint16(i)
	}
}

// addSigns sets the sign bit of entries below zero; zero has none.
func (c topk) addSigns(code []byte, vals []float32, lo byte) {
	top := c.top()
	for i, v := range vals {
		code[i] |= byte(math.Float32bits(v)>>31) * (top + 1)
	}
	if lo != 0 || top == 0 {
		return
	}
	for i, v := range code {
		code[i] = v * reach(uint64(v&top), 1)
	}
}

func (c topk) put(b []byte, n, exp int, hi, lo byte, index []uint16, code []byte) {
	s, _ := c.cut(b, n)
	if hi == 0 {
		exp = 0
	}
	s.scale[0], s.scale[1], s.scale[2] = byte(int8(exp)), hi, lo
	for i, at := range index {
		binary.LittleEndian.PutUint16(s.positions[2*i:], at)
	}
	c.putCodes(s.codes, code)
}

// putCodes packs a code for each entry into codes, lowest bits first. code has room
// for a whole number of eights.
func (c topk) putCodes(codes, code []byte) {
	packing := c.packing()
	eights := code[:(len(code)+7)&^7]
	clear(eights[len(code):])
	for i := range len(eights) / 8 {
		packing.to(codes, i, binary.LittleEndian.Uint64(eights[8*i:]))
	}
}

// values returns what each code decodes to, in units of 2^EMin.
func (c topk) values(scale []byte) (v [numCodes]int64) {
	top := c.top()
	shift := int(int8(scale[0])) - int(c.p.EMin)
	if scale[1] == 0 {
		return v
	}
	m := mantissasOf(curves[c.p.Bits-1], uint32(scale[2]), uint32(scale[1]))
	for i := range top + 1 {
		v[i] = int64(m[i]) << shift
		v[i|(top+1)] = -v[i]
	}
	return v
}

// fixed returns the same as r has it.
func (c topk) fixed(scale []byte, r Rounding) [1 << maxValueBits]int64 {
	values := c.values(scale)
	for level := range c.top() + 1 {
		v := r.Round(values[level])
		values[level], values[level|(c.top()+1)] = v, -v
	}
	return values
}

// scaled returns the same times factor.
func (c topk) scaled(scale []byte, factor float64) (values [1 << maxValueBits]float32) {
	for code, v := range c.values(scale) {
		values[code] = float32(float64(v) * factor)
	}
	return values
}

func (c topk) entries(dst []Entry, b []byte, n int) []Entry {
	s, k := c.cut(b, n)
	values, codes := c.values(s.scale), c.read(s.codes)
	for i := range k {
		if v := values[codes.next(i)%numCodes]; v != 0 {
			dst = append(dst, Entry{binary.LittleEndian.Uint16(s.positions[2*i:]), v})
		}
	}
	return dst
}

func (c topk) add(dst []int64, b []byte, r Rounding) {
	s, k := c.cut(b, len(dst))
	values, first := c.fixed(s.scale, r), 0
	if len(dst) == tensor.ChunkLen {
		first = c.addEights((*[tensor.ChunkLen]int64)(dst), s, &values)
	}
	codes := c.read(s.codes)
	for i := first; i < k; i++ {
		dst[binary.LittleEndian.Uint16(s.positions[2*i:])] += values[codes.next(i)%numCodes]
	}
}

// addEights adds the values of entries as long as there are eight of them, and
// returns how many it added. No position of a chunk is beyond it.
func (c topk) addEights(dst *[tensor.ChunkLen]int64, s sparse, values *[numCodes]int64) int {
	num, packing := len(s.positions)/16, c.packing()
	for i := range num {
		codes, at := packing.from(s.codes, i), s.positions[16*i:16*i+16]
		four := binary.LittleEndian.Uint64(at)
		dst[four%tensor.ChunkLen] += values[codes%numCodes]
		dst[four>>16%tensor.ChunkLen] += values[codes>>8%numCodes]
		dst[four>>32%tensor.ChunkLen] += values[codes>>16%numCodes]
		dst[four>>48%tensor.ChunkLen] += values[codes>>24%numCodes]
		four = binary.LittleEndian.Uint64(at[8:])
		dst[four%tensor.ChunkLen] += values[codes>>32%numCodes]
		dst[four>>16%tensor.ChunkLen] += values[codes>>40%numCodes]
		dst[four>>32%tensor.ChunkLen] += values[codes>>48%numCodes]
		dst[four>>48%tensor.ChunkLen] += values[codes>>56%numCodes]
	}
	return 8 * num
}

func (c topk) subtract(dst []float32, b []byte, scale float64) {
	s, k := c.cut(b, len(dst))
	values, codes := c.scaled(s.scale, scale), c.read(s.codes)
	for i := range k {
		dst[binary.LittleEndian.Uint16(s.positions[2*i:])] -= values[codes.next(i)%numCodes]
	}
}

// check holds the rules of the canonical form.
func (c topk) check(b []byte, n int) error {
	s, k := c.cut(b, n)
	next := 0
	for i := range k {
		at := int(binary.LittleEndian.Uint16(s.positions[2*i:]))
		if at < next || at >= n {
			return fmt.Errorf("position %d follows %d in a chunk of %d: %w", at, next-1, n, ErrMalformed)
		}
		next = at + 1
	}
	zeros, err := c.checkCodes(s.scale, s.codes, k)
	if err != nil || !zeros {
		return err
	}
	return c.checkZeros(s, k)
}

// checkCodes checks scale and codes of k entries, and tells whether some of them
// decode to zero.
func (c topk) checkCodes(scale, codes []byte, k int) (zeros bool, err error) {
	if used := c.p.Bits * k % 8; used != 0 && codes[len(codes)-1]>>used != 0 {
		return false, fmt.Errorf("unused bits are set: %w", ErrNotCanonical)
	}
	numTop, numLow, numSigned := c.count(codes, k)
	if err := c.checkScale(scale, numTop, numLow, k); err != nil {
		return false, err
	}
	if scale[1] != 0 && (c.top() == 0 || scale[2] != 0 || numLow == 0) {
		return false, nil
	}
	if numSigned > 0 {
		return true, fmt.Errorf("a zero has a sign: %w", ErrNotCanonical)
	}
	return true, nil
}

// count returns how many of k codes have the highest level, the lowest, and the lowest with a
// sign. What is beyond the last code is zeros.
func (c topk) count(codes []byte, k int) (top, low, signed int) {
	packing, level, sign := c.packing(), inBytes*uint64(c.top()), inBytes*uint64(c.top()+1)
	for i := range (k + 7) / 8 {
		code := packing.from(codes, i)
		top += numZeros(code&level ^ level)
		low += numZeros(code & level)
		signed += numZeros(code ^ sign)
	}
	if beyond := -k & 7; c.top() == 0 {
		top, low = top-beyond, low-beyond
	} else {
		low -= beyond
	}
	return top, low, signed
}

// numZeros returns how many of the bytes of x, which are below 128, are zero.
func numZeros(x uint64) int { return 8 - bits.OnesCount64((x+inBytes*0x7f)&(inBytes*0x80)) }

// checkScale checks the scale of a chunk of whose k entries numTop take the
// highest level and numLow the lowest.
func (c topk) checkScale(scale []byte, numTop, numLow, k int) error {
	exp, hi, lo := int8(scale[0]), scale[1], scale[2]
	single := c.top() == 0
	switch {
	case hi == 0 && (exp != 0 || lo != 0 || numLow != k):
		return fmt.Errorf("chunk of zeros with scale %d·2^%d, %d high entries: %w", lo, exp, k-numLow, ErrNotCanonical)
	case hi == 0:
		return nil
	case exp < c.p.EMin || exp > c.p.EMax:
		return fmt.Errorf("exponent %d, want %d to %d: %w", exp, c.p.EMin, c.p.EMax, ErrMalformed)
	case hi < 1<<(levelBits-1) && exp != c.p.EMin:
		return fmt.Errorf("high mantissa %d with exponent %d: %w", hi, exp, ErrNotCanonical)
	case single && lo != 0:
		return fmt.Errorf("low mantissa %d where there is one level: %w", lo, ErrNotCanonical)
	case single:
		return nil
	case lo >= hi:
		return fmt.Errorf("low mantissa %d, high one %d: %w", lo, hi, ErrNotCanonical)
	case numTop == 0 || numTop < k && numLow == 0 || numTop == k && lo != 0:
		return fmt.Errorf("a level no entry takes: %w", ErrNotCanonical)
	case numTop < k && uint32(hi-lo) < spreads[c.p.Bits-1]:
		return fmt.Errorf("mantissas %d and %d leave no room for the levels between: %w", lo, hi, ErrNotCanonical)
	}
	return nil
}

// checkZeros checks that entries that decode to zero have the lowest positions
// left free by the others: before the last zero no position is skipped.
func (c topk) checkZeros(s sparse, k int) error {
	last, codes := -1, c.read(s.codes)
	for i := range k {
		if codes.next(i)%numCodes == 0 {
			last = i
		}
	}
	if last < 0 {
		return nil
	}
	if at := int(binary.LittleEndian.Uint16(s.positions[2*last:])); at != last {
		return fmt.Errorf("a zero has position %d, not %d: %w", at, last, ErrNotCanonical)
	}
	return nil
}

// Columns of a top-k codec.
const (
	colScales = iota // exponents, then high mantissas, then low ones
	colGaps   = colScales + scaleLen
	colSigns  = colGaps + 1 // one bit an entry, lowest first, a new byte for each chunk
)

// lens returns the bytes that k entries add to the columns of signs and levels.
func (c topk) lens(k int) (signs, levels int) {
	return (k + 7) / 8, (k*levelPackings[c.p.Bits-1].size + 7) / 8
}

func (c topk) columns(n int) []columnSpec {
	k := c.kept(n)
	signs, levels := c.lens(k)
	gaps := columnSpec{name: Positions, Range: column.Range{Min: k, Max: k + column.NumEscapes(n, k)}}
	return []columnSpec{
		exponents(), exactly("high levels", 1), exactly("low levels", 1), gaps,
		exactly("signs", signs), exactly("levels", levels),
	}
}

func (c topk) spread(cols [][]byte, b []byte, n int) {
	s, k := c.cut(b, n)
	for i, v := range s.scale {
		cols[colScales+i] = append(cols[colScales+i], v)
	}
	cols[colGaps] = column.AppendGaps(cols[colGaps], s.positions)
	c.splitCodes(cols[colSigns:], s.codes, k)
}

// splitCodes appends k codes to the columns of signs and levels, which cols begins
// with.
func (c topk) splitCodes(cols [][]byte, codes []byte, k int) {
	numSigns, numLevels := c.lens(k)
	signs, levels := grow(&cols[0], numSigns), grow(&cols[1], numLevels)
	packing, level := c.packing(), &levelPackings[c.p.Bits-1]
	top := inBytes * uint64(c.top())
	for i := range signs {
		code := packing.from(codes, i)
		signs[i] = byte(signPacking.squeeze(code >> (c.p.Bits - 1) & inBytes))
		level.to(levels, i, code&top)
	}
}

// grow appends n zeros to a column and returns them.
func grow(col *[]byte, n int) []byte {
	at := len(*col)
	*col = append(*col, make([]byte, n)...)
	return (*col)[at:]
}

func (c topk) gather(b []byte, cols [][]byte, n int) error {
	s, k := c.cut(b, n)
	for i := range s.scale {
		s.scale[i] = takeBytes(&cols[colScales+i], 1)[0]
	}
	rest, err := column.ReadGaps(cols[colGaps], s.positions, n)
	if err != nil {
		return err
	}
	cols[colGaps] = rest
	return c.takeCodes(s.codes, cols[colSigns:], k)
}

// takeCodes undoes splitCodes: it takes signs and levels off the heads of cols and
// writes k codes to codes.
func (c topk) takeCodes(codes []byte, cols [][]byte, k int) error {
	numSigns, numLevels := c.lens(k)
	signs, levels := takeBytes(&cols[0], numSigns), takeBytes(&cols[1], numLevels)
	if used := k % 8; used != 0 && signs[len(signs)-1]>>used != 0 {
		return fmt.Errorf("unused bits of signs are set: %w", ErrMalformed)
	}
	packing, level, width := c.packing(), &levelPackings[c.p.Bits-1], c.p.Bits-1
	for i, v := range levels {
		per := 8 / level.size
		if v>>(min(per, k-i*per)*width) != 0 {
			return fmt.Errorf("unused bits of levels are set: %w", ErrMalformed)
		}
	}
	for i := range signs {
		packing.to(codes, i, signPacking.from(signs, i)<<width|level.from(levels, i))
	}
	return nil
}
