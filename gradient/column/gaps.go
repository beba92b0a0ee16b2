package column

// This file holds the byte code for ascending positions.

import "fmt"

const escape = 255

// NumEscapes bounds the escape bytes of the positions of one chunk of n values
// of which k are named: each escape stands for 255 values that are not.
func NumEscapes(n, k int) int { return (n - k) / escape }

// AppendGaps appends the gap bytes of positions, strictly ascending, to dst.
func AppendGaps(dst []byte, positions []uint16) []byte {
	next := 0
	for _, p := range positions {
		gap := int(p) - next
		for gap >= escape {
			dst = append(dst, escape)
			gap -= escape
		}
		dst = append(dst, byte(gap))
		next = int(p) + 1
	}
	return dst
}

// ReadGaps fills positions from the gap bytes at the head of src and returns
// what follows them. Every position is below n, which is at most 65536.
func ReadGaps(src []byte, positions []uint16, n int) ([]byte, error) {
	at, used := 0, 0
	for i := range positions {
		for {
			if used == len(src) {
				return nil, fmt.Errorf("gaps end after %d of %d positions: %w", i, len(positions), ErrMalformed)
			}
			b := src[used]
			used++
			at += int(b)
			if b != escape {
				break
			}
			if at >= n {
				return nil, fmt.Errorf("position %d reaches %d of %d: %w", i, at, n, ErrMalformed)
			}
		}
		if at >= n {
			return nil, fmt.Errorf("position %d is %d of %d: %w", i, at, n, ErrMalformed)
		}
		positions[i] = uint16(at)
		at++
	}
	return src[used:], nil
}
