package column

// This file holds the byte code for ascending positions.

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const escape = 255

// NumEscapes bounds the escape bytes of the positions of one chunk of n values
// of which k are named: each escape stands for 255 values that are not.
func NumEscapes(n, k int) int { return (n - k) / escape }

// AppendGaps appends the gap bytes of positions to dst: little-endian numbers of 16
// bits, strictly ascending.
func AppendGaps(dst, positions []byte) []byte {
	k := len(positions) / 2
	if k == 0 {
		return dst
	}
	last := int(binary.LittleEndian.Uint16(positions[2*k-2:]))
	dst = slices.Grow(dst, k+NumEscapes(last+1, k))
	gaps, n, next := dst[len(dst):cap(dst)], 0, 0
	for ; len(positions) >= 2; positions = positions[2:] {
		p := int(binary.LittleEndian.Uint16(positions))
		gap := p - next
		for ; gap >= escape; gap -= escape {
			gaps[n] = escape
			n++
		}
		gaps[n] = byte(gap)
		n, next = n+1, p+1
	}
	return dst[:len(dst)+n]
}

// ReadGaps fills positions, as AppendGaps takes them, from the gap bytes at the head
// of src and returns what follows those. Every position is below n, which is at most
// 65536.
func ReadGaps(src, positions []byte, n int) ([]byte, error) {
	at, used := 0, 0
	for i := 0; i+2 <= len(positions); i += 2 {
		for {
			if used == len(src) {
				return nil, fmt.Errorf("gaps end after %d of %d positions: %w", i/2, len(positions)/2, ErrMalformed)
			}
			b := src[used]
			used++
			at += int(b)
			if b != escape {
				break
			}
			if at >= n {
				return nil, fmt.Errorf("position %d reaches %d of %d: %w", i/2, at, n, ErrMalformed)
			}
		}
		if at >= n {
			return nil, fmt.Errorf("position %d is %d of %d: %w", i/2, at, n, ErrMalformed)
		}
		binary.LittleEndian.PutUint16(positions[i:], uint16(at))
		at++
	}
	return src[used:], nil
}
