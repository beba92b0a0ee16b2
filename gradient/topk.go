package gradient

// This file holds top-k: the k largest values of a chunk, as positions, signs and
// levels.

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"lode/gradient/column"
	"lode/tensor"
)

// topk keeps k of 4,096 values.
type topk struct {
	p Params
	k int
}

const scaleLen = 3 // exponent, high mantissa, low mantissa

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

// codeAt returns the code of entry i. No code crosses a byte but those of 3 bits.
func (c topk) codeAt(codes []byte, i int) byte {
	at := i * c.p.Bits
	v := codes[at/8] >> (at % 8)
	if at%8+c.p.Bits > 8 {
		v |= codes[at/8+1] << (8 - at%8)
	}
	return v & (1<<c.p.Bits - 1)
}

func (c topk) encode(b []byte, vals []float32, s *scratch) (bad int) {
	index, bad := s.sel.top(vals, c.kept(len(vals)))
	if bad >= 0 {
		return bad
	}
	xs, code := s.xs[:len(index)], s.code[:len(index)]
	lv := fit(xs, magnitudes(xs, vals, index), c.p)
	hi, lo := c.assign(code, xs, lv)
	if lo == 0 && hi != 0 {
		settleZeros(index, code, vals, c.top())
	}
	if hi == 0 {
		firstPositions(index)
	} else {
		c.addSigns(code, index, vals, lo)
	}
	c.put(b, len(vals), lv.exp, hi, lo, index, code)
	return -1
}

// assign gives each magnitude the number of its level and returns the outer
// mantissas as the canonical form wants them: somebody takes each of them, and
// lo is 0 if all take hi.
func (c topk) assign(code []byte, xs []uint32, lv levels) (hi, lo byte) {
	top := c.top()
	if lv.mantissa[top] == 0 {
		clear(code)
		return 0, 0
	}
	numTop, numLow := 0, 0
	for i, x := range xs {
		level := byte(0)
		for _, cut := range lv.cut[1 : top+1] {
			level += reach(uint64(x), cut)
		}
		code[i] = level
		numTop += int(reach(uint64(level), uint64(top)))
		numLow += int(reach(0, uint64(level)))
	}
	if numTop == 0 {
		code[slices.Index(xs, slices.Max(xs))] = top
		numTop++
	}
	if numTop == len(xs) {
		return byte(lv.mantissa[top]), 0
	}
	if numLow == 0 {
		code[slices.Index(xs, slices.Min(xs))] = 0
	}
	return byte(lv.mantissa[top]), byte(lv.mantissa[0])
}

// settleZeros gives the entries that decode to zero, and so may stand anywhere,
// the lowest positions that are free: the one canonical choice. index stays
// ascending. A single level has no zeros.
func settleZeros(index []uint16, code []byte, vals []float32, top byte) {
	if top == 0 {
		return
	}
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
	for at := 0; at < len(vals) && m < len(index); at++ {
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
func (c topk) addSigns(code []byte, index []uint16, vals []float32, lo byte) {
	top := c.top()
	zeros := lo == 0 && top != 0
	for i, at := range index {
		sign := byte(math.Float32bits(vals[at]) >> 31)
		if zeros {
			sign &= reach(uint64(code[i]), 1)
		}
		code[i] |= sign * (top + 1)
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

// putCodes packs a code for each entry into codes, lowest bits first.
func (c topk) putCodes(codes, code []byte) {
	acc, used, out := uint32(0), 0, 0
	for _, v := range code {
		acc |= uint32(v) << used
		if used += c.p.Bits; used >= 8 {
			codes[out] = byte(acc)
			acc, used, out = acc>>8, used-8, out+1
		}
	}
	if used > 0 {
		codes[out] = byte(acc)
	}
}

// values returns what each code decodes to, in units of 2^EMin.
func (c topk) values(scale []byte) (v [1 << maxValueBits]int64) {
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
	values := c.values(s.scale)
	for i := range k {
		if v := values[c.codeAt(s.codes, i)]; v != 0 {
			dst = append(dst, Entry{binary.LittleEndian.Uint16(s.positions[2*i:]), v})
		}
	}
	return dst
}

func (c topk) add(dst []int64, b []byte, r Rounding) {
	s, k := c.cut(b, len(dst))
	values := c.fixed(s.scale, r)
	if 8%c.p.Bits != 0 {
		for i := range k {
			dst[binary.LittleEndian.Uint16(s.positions[2*i:])] += values[c.codeAt(s.codes, i)]
		}
		return
	}
	mask := byte(1)<<c.p.Bits - 1
	for _, codes := range s.codes { // each byte holds whole codes
		for n := 8 / c.p.Bits; n > 0 && len(s.positions) > 0; n-- {
			dst[binary.LittleEndian.Uint16(s.positions)] += values[codes&mask]
			codes >>= c.p.Bits
			s.positions = s.positions[2:]
		}
	}
}

func (c topk) subtract(dst []float32, b []byte, scale float64) {
	s, k := c.cut(b, len(dst))
	values := c.scaled(s.scale, scale)
	for i := range k {
		dst[binary.LittleEndian.Uint16(s.positions[2*i:])] -= values[c.codeAt(s.codes, i)]
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
	var num [1 << maxValueBits]int
	for i := range k {
		num[c.codeAt(codes, i)]++
	}
	top := c.top()
	numTop, numLow := num[top]+num[top|(top+1)], num[0]+num[top+1]
	if err := c.checkScale(scale, numTop, numLow, k); err != nil {
		return false, err
	}
	if scale[1] != 0 && (top == 0 || scale[2] != 0 || numLow == 0) {
		return false, nil
	}
	if num[top+1] > 0 {
		return true, fmt.Errorf("a zero has a sign: %w", ErrNotCanonical)
	}
	return true, nil
}

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
	for i := k - 1; i >= 0; i-- {
		if c.codeAt(s.codes, i) != 0 {
			continue
		}
		if at := int(binary.LittleEndian.Uint16(s.positions[2*i:])); at != i {
			return fmt.Errorf("a zero has position %d, not %d: %w", at, i, ErrNotCanonical)
		}
		break
	}
	return nil
}

// Columns of a top-k codec.
const (
	colScales = iota // exponents, then high mantissas, then low ones
	colGaps   = colScales + scaleLen
	colSigns  = colGaps + 1 // one bit an entry, lowest first, a new byte for each chunk
)

// levelsPerByte says how many levels, lowest bits first, a byte of their column
// holds. Apart from the signs, which are as good as random, they compress with a
// small table, in short columns too.
var levelsPerByte = [maxValueBits]int{0, 8, 4, 2}

// lens returns the bytes that k entries add to the columns of signs and levels.
func (c topk) lens(k int) (signs, levels int) {
	if per := levelsPerByte[c.p.Bits-1]; per > 0 {
		levels = (k + per - 1) / per
	}
	return (k + 7) / 8, levels
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
	var positions [tensor.ChunkLen]uint16
	for i := range k {
		positions[i] = binary.LittleEndian.Uint16(s.positions[2*i:])
	}
	cols[colGaps] = column.AppendGaps(cols[colGaps], positions[:k])
	c.splitCodes(cols[colSigns:], s.codes, k)
}

// splitCodes appends k codes to the columns of signs and levels, which cols begins
// with.
func (c topk) splitCodes(cols [][]byte, codes []byte, k int) {
	numSigns, numLevels := c.lens(k)
	signs, levels := grow(&cols[0], numSigns), grow(&cols[1], numLevels)
	top, per := c.top(), levelsPerByte[c.p.Bits-1]
	for i := range k {
		code := c.codeAt(codes, i)
		signs[i/8] |= code >> (c.p.Bits - 1) << (i % 8)
		if per > 0 {
			levels[i/per] |= code & top << (i % per * (c.p.Bits - 1))
		}
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
	var positions [tensor.ChunkLen]uint16
	rest, err := column.ReadGaps(cols[colGaps], positions[:k], n)
	if err != nil {
		return err
	}
	cols[colGaps] = rest
	for i, at := range positions[:k] {
		binary.LittleEndian.PutUint16(s.positions[2*i:], at)
	}
	return c.takeCodes(s.codes, cols[colSigns:], k)
}

// takeCodes undoes splitCodes: it takes signs and levels off the heads of cols and
// writes k codes to codes, which is zero.
func (c topk) takeCodes(codes []byte, cols [][]byte, k int) error {
	numSigns, numLevels := c.lens(k)
	signs, levels := takeBytes(&cols[0], numSigns), takeBytes(&cols[1], numLevels)
	if used := k % 8; used != 0 && signs[len(signs)-1]>>used != 0 {
		return fmt.Errorf("unused bits of signs are set: %w", ErrMalformed)
	}
	top, per, width := c.top(), levelsPerByte[c.p.Bits-1], c.p.Bits-1
	for i, v := range levels {
		if v>>(min(per, k-i*per)*width) != 0 {
			return fmt.Errorf("unused bits of levels are set: %w", ErrMalformed)
		}
	}
	for i := range k {
		code := uint16(signs[i/8]>>(i%8)&1) << width
		if per > 0 {
			code |= uint16(levels[i/per] >> (i % per * width) & top)
		}
		at := i * c.p.Bits
		code <<= at % 8
		codes[at/8] |= byte(code)
		if code > 0xff {
			codes[at/8+1] |= byte(code >> 8)
		}
	}
	return nil
}
