package gradient

// This file holds codes of a few bits each, packed without gaps, lowest bits first:
// eight are moved at a time, as the eight bytes of one word.

import "encoding/binary"

const inBytes = 0x0101010101010101 // times x: x in each byte

// packing says how eight bytes are squeezed together: two, then four, then eight.
type packing struct {
	shift [3]uint8
	mask  [4]uint64 // of what is in use before and after each step
	size  int       // in bytes
}

// newPacking returns the packing of numbers of width bits, of which each pair takes
// that many.
func newPacking(width, pair int) packing {
	return packing{
		[3]uint8{uint8(8 - width), uint8(16 - pair), uint8(32 - 2*pair)},
		[4]uint64{
			inBytes * (1<<width - 1), 0x0001000100010001 * (1<<pair - 1),
			0x0000000100000001 * (1<<(2*pair) - 1), 1<<(4*pair) - 1,
		},
		pair / 2,
	}
}

// Packings of codes, by their bits, of levels and of signs. Apart from the signs,
// which are as good as random, levels compress with a small table, in short columns
// too; of three bits only two fit into a byte.
var (
	codePackings  = [maxValueBits]packing{newPacking(1, 2), newPacking(2, 4), newPacking(3, 6), newPacking(4, 8)}
	levelPackings = [maxValueBits]packing{{}, newPacking(1, 2), newPacking(2, 4), newPacking(3, 8)}
	signPacking   = newPacking(1, 2)
)

// squeeze returns the bytes of x, which are no wider than the packing's numbers,
// moved together.
func (p *packing) squeeze(x uint64) uint64 {
	x = (x | x>>(p.shift[0]&63)) & p.mask[1]
	x = (x | x>>(p.shift[1]&63)) & p.mask[2]
	return (x | x>>(p.shift[2]&63)) & p.mask[3]
}

// expand undoes squeeze. It ignores what is beyond the eight in x.
func (p *packing) expand(x uint64) uint64 {
	x &= p.mask[3]
	x = (x | x<<(p.shift[2]&63)) & p.mask[2]
	x = (x | x<<(p.shift[1]&63)) & p.mask[1]
	return (x | x<<(p.shift[0]&63)) & p.mask[0]
}

// from returns the eight numbers of packed from number 8·i on, as bytes; zeros after
// the end.
func (p *packing) from(packed []byte, i int) uint64 {
	packed = packed[i*p.size:]
	if len(packed) >= 8 {
		return p.expand(binary.LittleEndian.Uint64(packed))
	}
	x := uint64(0)
	for i, v := range packed {
		x |= uint64(v) << (8 * i)
	}
	return p.expand(x)
}

// numbers reads packed numbers one after another.
type numbers struct {
	*packing
	packed []byte
	eight  uint64 // those to come
}

// next returns number i, in the lowest byte; all before it have been read.
func (n *numbers) next(i int) uint64 {
	if i&7 == 0 {
		n.fill(i >> 3)
	}
	v := n.eight
	n.eight >>= 8
	return v
}

// Of its own, so that next is small enough to become part of loops.
//
//go:noinline
func (n *numbers) fill(i int) { n.eight = n.from(n.packed, i) }

// to writes the eight bytes of x as the numbers of packed from number 8·i on, up to
// its end.
func (p *packing) to(packed []byte, i int, x uint64) {
	x = p.squeeze(x)
	packed = packed[i*p.size:]
	for i := range packed[:min(p.size, len(packed))] {
		packed[i] = byte(x)
		x >>= 8
	}
}
