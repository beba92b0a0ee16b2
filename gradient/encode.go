package gradient

// This file holds the encoder: from values, chunk by chunk, to the plain form.

import (
	"encoding/binary"
	"fmt"
	"math"

	"lode/tensor"
)

const (
	codeHigh     = 1 // bit of a code: the high level
	codeNegative = 2 // bit of a code: below zero
	maxDense     = 127
)

// encoder is the state of one call to Encode.
type encoder struct {
	f    *format
	vals [tensor.ChunkLen]float32
	xs   [tensor.ChunkLen]uint32
	code [tensor.ChunkLen]byte
	sel  selector
}

// Encode compresses the D values that a gives out under l. It reads each chunk
// once, in order. A NaN or infinity is an error that wraps [ErrNotFinite] and
// names tensor and index; an error of a is returned wrapped.
func Encode(l tensor.Layout, p Params, a tensor.Reader) (*Update, error) {
	f, err := newFormat(l, p)
	if err != nil {
		return nil, err
	}
	e := &encoder{f: f}
	plain := make([]byte, f.size)
	copy(plain, header)
	for c := range l.Chunks() {
		vals := e.vals[:c.Len]
		if err := a.ReadChunk(c, vals); err != nil {
			return nil, fmt.Errorf("gradient: encode tensor %q chunk %d: %w", l.Spec(c.Tensor).Name, c.Index, err)
		}
		bad := -1
		if b := f.chunk(plain, c); f.isDense(c.Tensor) {
			bad = encodeDense(b, vals, p)
		} else {
			bad = e.encodeSparse(b, vals)
		}
		if bad >= 0 {
			return nil, fmt.Errorf("gradient: encode tensor %q value %d is %v: %w",
				l.Spec(c.Tensor).Name, c.Index*tensor.ChunkLen+bad, vals[bad], ErrNotFinite)
		}
	}
	return &Update{f: f, plain: plain}, nil
}

// encodeSparse writes the plain form of vals to b and returns -1, or the index
// of the first value that is not finite.
func (e *encoder) encodeSparse(b []byte, vals []float32) (bad int) {
	k := e.f.params.kept(len(vals))
	index, bad := e.sel.top(vals, k)
	if bad >= 0 {
		return bad
	}
	xs, code := e.xs[:k], e.code[:k]
	lv := fit(xs, magnitudes(xs, vals, index), e.f.params)
	lowUsed := false
	for i, x := range xs {
		code[i] = 0
		level := lv.lo
		if lv.hi != 0 && uint64(x) >= lv.cut {
			code[i], level = codeHigh, lv.hi
		} else {
			lowUsed = true
		}
		if level != 0 && math.Signbit(float64(vals[index[i]])) {
			code[i] |= codeNegative
		}
	}
	if !lowUsed {
		lv.lo = 0
	}
	if lv.lo == 0 && lowUsed {
		settleZeros(index, code, len(vals))
	}
	putSparse(cutSparse(b, k), lv, index, code)
	return -1
}

func putSparse(s sparse, lv levels, index []uint16, code []byte) {
	s.scale[0], s.scale[1], s.scale[2] = byte(int8(lv.exp)), byte(lv.hi), byte(lv.lo)
	for i, at := range index {
		binary.LittleEndian.PutUint16(s.positions[2*i:], at)
	}
	for i := range s.codes {
		s.codes[i] = 0
		for j, c := range code[4*i : min(4*i+4, len(code))] {
			s.codes[i] |= c << (2 * j)
		}
	}
}

// settleZeros gives the entries of code 0, which decode to zero and so may stand
// anywhere, the lowest positions that are free: the one canonical choice. index
// stays ascending; n is the length of the chunk.
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

// encodeDense writes the dense plain form of vals to b: the lowest exponent
// under which the largest magnitude rounds to at most 127. The result is as for
// encodeSparse.
func encodeDense(b []byte, vals []float32, p Params) (bad int) {
	top := uint32(0)
	for i, v := range vals {
		key := math.Float32bits(v) & magnitudeMask
		if key >= notFinite {
			return i
		}
		top = max(top, key)
	}
	exp, inverse := int(p.EMin), 1.0
	for ; ; exp++ {
		inverse = math.Ldexp(1, -exp)
		if exp == int(p.EMax) || math.RoundToEven(float64(float64(math.Float32frombits(top))*inverse)) <= maxDense {
			break
		}
	}
	any := byte(0)
	for i, v := range vals {
		m := math.RoundToEven(float64(float64(v) * inverse))
		b[1+i] = byte(int8(min(max(m, -maxDense), maxDense)))
		any |= b[1+i]
	}
	b[0] = byte(int8(exp))
	if any == 0 {
		b[0] = 0
	}
	return -1
}
