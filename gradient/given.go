package gradient

// This file holds top-k without a choice: the values at places that all workers of
// a round share. Only values are sent.

import "math"

// given is topk at places that a support names; its plain form is that of topk
// without positions. Lengths do not depend on the places.
type given struct {
	topk
	places []uint16 // ascending
}

func (c given) size(n int) int { return scaleLen + c.codesLen(c.kept(n)) }

func (c given) cut(b []byte) (scale, codes []byte) { return b[:scaleLen], b[scaleLen:] }

func (c *given) encode(b []byte, vals []float32, s *scratch) (bad int) {
	for i, v := range vals { // what is not sent is kept, so all must be numbers
		if math.Float32bits(v)&magnitudeMask >= notFinite {
			return i
		}
	}
	xs, code, val := s.xs[:len(c.places)], s.code[:len(c.places)], s.vals[:len(c.places)]
	for i, at := range c.places { // vals may be s.vals, too: no place is before its number
		val[i] = vals[at]
	}
	lv := fit(xs, magnitudes(xs, val), c.p)
	hi, lo := c.assign(code, xs, lv)
	if hi == 0 {
		lv.exp = 0
	} else {
		c.addSigns(code, val, lo)
	}
	scale, codes := c.cut(b)
	scale[0], scale[1], scale[2] = byte(int8(lv.exp)), hi, lo
	c.putCodes(codes, code)
	return -1
}

func (c *given) entries(dst []Entry, b []byte, _ int) []Entry {
	scale, codes := c.cut(b)
	values, all := c.values(scale), c.read(codes)
	for i, at := range c.places {
		if v := values[all.next(i)%numCodes]; v != 0 {
			dst = append(dst, Entry{at, v})
		}
	}
	return dst
}

func (c *given) add(dst []int64, b []byte, r Rounding) {
	scale, codes := c.cut(b)
	values, all := c.fixed(scale, r), c.read(codes)
	for i, at := range c.places {
		dst[at] += values[all.next(i)%numCodes]
	}
}

func (c *given) subtract(dst []float32, b []byte, factor float64) {
	scale, codes := c.cut(b)
	values, all := c.scaled(scale, factor), c.read(codes)
	for i, at := range c.places {
		dst[at] -= values[all.next(i)%numCodes]
	}
}

// check holds the rules of topk that are not about positions.
func (c *given) check(b []byte, n int) error {
	scale, codes := c.cut(b)
	_, err := c.checkCodes(scale, codes, c.kept(n))
	return err
}

func (c given) columns(n int) []columnSpec {
	all := c.topk.columns(n)
	return append(all[:colGaps:colGaps], all[colGaps+1:]...)
}

func (c given) spread(cols [][]byte, b []byte, n int) {
	scale, codes := c.cut(b)
	for i, v := range scale {
		cols[colScales+i] = append(cols[colScales+i], v)
	}
	c.splitCodes(cols[colGaps:], codes, c.kept(n))
}

func (c given) gather(b []byte, cols [][]byte, n int) error {
	scale, codes := c.cut(b)
	for i := range scale {
		scale[i] = takeBytes(&cols[colScales+i], 1)[0]
	}
	return c.takeCodes(codes, cols[colGaps:], c.kept(n))
}
