package column

// This file holds frames of short columns that consist of Huffman-coded literals
// alone (RFC 8878, section 3.1.1.3.1), with a table made for short ones.

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

const (
	maxLiterals = 8 << 10 // of a column: beyond, the table does not matter
	minLiterals = 32      // below, none pays
	fourStreams = 1 << 10 // from here on there must be as many

	frameMagic       = 0xfd2fb528
	singleSegment    = 1 << 5 // in a frame's descriptor
	twoSizeBytes     = 1 << 6 // in it: the size follows in two bytes, less 256
	blockLast        = 1
	blockCompressed  = 2 << 1
	literalsHuffman  = 2
	literalsOf14Bits = 2 << 2 // four streams, both lengths in 14 bits; else one, in 10
	noSequences      = 0
)

// literals makes such frames. The zero value is ready.
type literals struct {
	rank   ranking
	huff   huff0.Scratch
	sample []byte
	table  []byte
	frame  []byte
}

// frameOf returns a frame of col, valid until the next call, or nil if it finds none
// that is shorter than col. col has at most maxLiterals bytes.
func (l *literals) frameOf(col []byte) []byte {
	if len(col) < minLiterals {
		return nil
	}
	if l.rank.rank(col); len(l.rank.bytes) < 2 {
		return nil
	}
	l.takeSample(l.rank.fit())
	l.huff.Reuse = huff0.ReusePolicyNone
	if _, _, err := huff0.Compress1X(l.sample, &l.huff); err != nil {
		return nil
	}
	l.table = append(l.table[:0], l.huff.OutTable...)
	l.huff.Reuse = huff0.ReusePolicyMust
	compress := huff0.Compress1X
	if len(col) >= fourStreams {
		compress = huff0.Compress4X
	}
	coded, _, err := compress(col, &l.huff)
	if err != nil || len(l.table)+len(coded) >= len(col) {
		return nil
	}
	l.frame = appendHead(l.frame[:0], len(l.table)+len(coded), len(col))
	l.frame = append(append(l.frame, l.table...), coded...)
	return append(l.frame, noSequences)
}

// takeSample makes a column to which Huffman's algorithm gives the lengths n: of each
// byte 2^−length of all. It is four times as long as need be, because huff0 makes no
// codes of more bits than its length has, less three.
func (l *literals) takeSample(n lengths) {
	l.sample = l.sample[:0]
	most := longest
	for n[most] == 0 {
		most--
	}
	at := 0
	for length, num := range n {
		for _, b := range l.rank.bytes[at : at+num] {
			for range 4 << (most - length) {
				l.sample = append(l.sample, b)
			}
		}
		at += num
	}
}

// appendHead appends what comes before the table in a frame of n bytes, with which
// they take coded.
func appendHead(dst []byte, coded, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	if n < 256 {
		dst = append(dst, singleSegment, byte(n))
	} else {
		dst = append(dst, singleSegment|twoSizeBytes)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n-256))
	}
	head, size := literalsHuffman|n<<4|coded<<14, 3
	if n >= fourStreams {
		head, size = literalsHuffman|literalsOf14Bits|n<<4|coded<<18, 4
	}
	block := blockLast | blockCompressed | (size+coded+1)<<3
	dst = append(dst, byte(block), byte(block>>8), byte(block>>16))
	for ; size > 0; size-- {
		dst = append(dst, byte(head))
		head >>= 8
	}
	return dst
}
