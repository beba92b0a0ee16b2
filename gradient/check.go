package gradient

// This file holds what makes the bytes of a chunk the one encoding of what it
// decodes to.

import (
	"encoding/binary"
	"fmt"

	"lode/tensor"
)

// checkChunk tells whether b is the canonical form of chunk c.
func (f *format) checkChunk(b []byte, c tensor.Chunk) error {
	err := error(nil)
	if f.isDense(c.Tensor) {
		err = checkDense(b, f.params)
	} else {
		err = checkSparse(cutSparse(b, f.params.kept(c.Len)), c.Len, f.params)
	}
	if err != nil {
		return fmt.Errorf("gradient: tensor %q chunk %d: %w", f.layout.Spec(c.Tensor).Name, c.Index, err)
	}
	return nil
}

// checkSparse checks positions, scale and codes of a chunk of n values.
func checkSparse(s sparse, n int, p Params) error {
	next := 0
	for i := 0; i < len(s.positions); i += 2 {
		at := int(binary.LittleEndian.Uint16(s.positions[i:]))
		if at < next || at >= n {
			return fmt.Errorf("position %d follows %d in a chunk of %d: %w", at, next-1, n, ErrMalformed)
		}
		next = at + 1
	}
	k := len(s.positions) / 2
	if used := 2 * k % 8; used != 0 && s.codes[len(s.codes)-1]>>used != 0 {
		return fmt.Errorf("unused bits are set: %w", ErrNotCanonical)
	}
	numHi, numLo, negLo := s.count(k)
	if err := checkScale(s.scale, numHi, numLo, p); err != nil {
		return err
	}
	if lo := s.scale[2]; lo != 0 || numLo == 0 {
		return nil
	}
	if negLo > 0 {
		return fmt.Errorf("a zero has a sign: %w", ErrNotCanonical)
	}
	return s.checkZeros(k)
}

// count returns how many entries take each level, and how many low ones are
// negative.
func (s sparse) count(k int) (numHi, numLo, negLo int) {
	for i := range k {
		switch s.code(i) {
		case 0:
			numLo++
		case codeNegative:
			numLo++
			negLo++
		default:
			numHi++
		}
	}
	return numHi, numLo, negLo
}

// code returns the code of entry i.
func (s sparse) code(i int) byte { return s.codes[i/4] >> (i % 4 * 2) & 3 }

// checkScale checks the scale of a chunk whose entries take the high level
// numHi times and the low level numLo times.
func checkScale(scale []byte, numHi, numLo int, p Params) error {
	exp, hi, lo := int8(scale[0]), scale[1], scale[2]
	switch {
	case hi == 0 && (exp != 0 || lo != 0 || numHi != 0):
		return fmt.Errorf("chunk of zeros with scale %d·2^%d, %d high entries: %w", lo, exp, numHi, ErrNotCanonical)
	case hi == 0:
		return nil
	case exp < p.EMin || exp > p.EMax:
		return fmt.Errorf("exponent %d, want %d to %d: %w", exp, p.EMin, p.EMax, ErrMalformed)
	case hi < 1<<(levelBits-1) && exp != p.EMin:
		return fmt.Errorf("high mantissa %d with exponent %d: %w", hi, exp, ErrNotCanonical)
	case lo >= hi:
		return fmt.Errorf("low mantissa %d, high one %d: %w", lo, hi, ErrNotCanonical)
	case numHi == 0 || (numLo == 0 && lo != 0):
		return fmt.Errorf("a level no entry takes: %w", ErrNotCanonical)
	}
	return nil
}

// checkZeros checks that entries that decode to zero have the lowest positions
// left free by the others: before the last zero no position is skipped.
func (s sparse) checkZeros(k int) error {
	for i := k - 1; i >= 0; i-- {
		if s.code(i) != 0 {
			continue
		}
		if at := int(binary.LittleEndian.Uint16(s.positions[2*i:])); at != i {
			return fmt.Errorf("a zero has position %d, not %d: %w", at, i, ErrNotCanonical)
		}
		break
	}
	return nil
}

// checkDense checks exponent and mantissas of a dense chunk.
func checkDense(b []byte, p Params) error {
	top := 0
	for _, m := range b[1:] {
		switch v := int(int8(m)); {
		case v == -128:
			return fmt.Errorf("mantissa -128: %w", ErrMalformed)
		case v < 0:
			top = max(top, -v)
		default:
			top = max(top, v)
		}
	}
	exp := int8(b[0])
	switch {
	case top == 0 && exp != 0:
		return fmt.Errorf("chunk of zeros with exponent %d: %w", exp, ErrNotCanonical)
	case top == 0:
		return nil
	case exp < p.EMin || exp > p.EMax:
		return fmt.Errorf("exponent %d, want %d to %d: %w", exp, p.EMin, p.EMax, ErrMalformed)
	case top <= maxDense/2 && exp != p.EMin:
		return fmt.Errorf("largest mantissa %d with exponent %d: %w", top, exp, ErrNotCanonical)
	}
	return nil
}
