package gradient

// This file builds wire forms by hand, out of zstd frames as other compressors may
// make them.

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/klauspost/compress/zstd"

	"lode/gradient/column"
)

// frameOf returns content as a zstd frame of a raw block, by hand.
func frameOf(content []byte) []byte {
	return slowFrame(0xa0, le32(len(content)), block(0, true, content))
}

func slowFrame(descriptor byte, rest ...[]byte) []byte {
	return append([]byte{0x28, 0xb5, 0x2f, 0xfd, descriptor}, bytes.Join(rest, nil)...)
}

func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// block returns a block of the given type whose size is that of its content.
func block(kind int, last bool, content []byte) []byte {
	head := len(content)<<3 | kind<<1
	if last {
		head |= 1
	}
	return append([]byte{byte(head), byte(head >> 8), byte(head >> 16)}, content...)
}

// joined returns a wire form of frames.
func joined(frames ...[]byte) []byte {
	b := []byte(header)
	for _, f := range frames {
		b = binary.AppendUvarint(b, uint64(len(f)))
	}
	return append(b, bytes.Join(frames, nil)...)
}

// openExample returns the columns of the example's wire form.
func openExample(tb testing.TB, wire []byte) [][]byte {
	l, p := exampleSetting(tb)
	f, err := newPlan(l, p)
	if err != nil {
		tb.Fatal(err)
	}
	cols, err := column.Unpack(wire[len(header):], f.ranges()...)
	if err != nil {
		tb.Fatal(err)
	}
	return cols
}

func framesOf(cols [][]byte) [][]byte {
	frames := make([][]byte, len(cols))
	for i, c := range cols {
		frames[i] = frameOf(c)
	}
	return frames
}

// otherWires returns forms of the example's wire that other compressors may make.
func otherWires(tb testing.TB, wire []byte) []string {
	cols := openExample(tb, wire)
	gaps := cols[colGaps]
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderCRC(true))
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for _, frame := range [][]byte{
		frameOf(gaps),
		slowFrame(0x20, []byte{byte(len(gaps))}, block(0, true, gaps)),                        // size in one byte
		slowFrame(0xe0, le32(len(gaps)), le32(0), block(0, true, gaps)),                       // in eight
		slowFrame(0x80, []byte{0}, le32(len(gaps)), block(0, true, gaps)),                     // window of 1 KiB
		slowFrame(0xa1, []byte{0}, le32(len(gaps)), block(0, true, gaps)),                     // dictionary 0
		slowFrame(0xa0, le32(len(gaps)), block(0, false, gaps[:1]), block(0, true, gaps[1:])), // two blocks
		slowFrame(0xa0, le32(len(gaps)), block(0, false, gaps), block(0, true, nil)),          // an empty one
		enc.EncodeAll(gaps, nil), // checksum
	} {
		frames := framesOf(cols)
		frames[colGaps] = frame
		all = append(all, hex.EncodeToString(joined(frames...)))
	}
	return all
}
