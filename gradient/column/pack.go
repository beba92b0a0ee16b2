package column

// This file holds the packed form: lengths first, then one frame per column.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
)

// ErrMalformed is wrapped by every error about bytes that are not what they must
// be: wrong length, out of range, more than one form used.
var ErrMalformed = errors.New("malformed")

// Range is what the length of a column may be, in bytes, both ends included.
type Range struct{ Min, Max int }

// Exactly is the range that holds n alone.
func Exactly(n int) Range { return Range{n, n} }

// window is how far back a frame refers, in bytes.
const window = 1 << 20

// frameOverhead bounds what a zstd frame adds to n incompressible bytes: header
// (at most 14), 3 bytes per block of at least 1 KiB, and slack for the encoder.
func frameOverhead(n int) int { return 64 + n/256 }

// MaxLen returns a bound on the packed length of columns no longer than the
// ranges allow. Unpack refuses anything longer.
func MaxLen(want ...Range) int {
	total := 0
	for _, r := range want {
		total += binary.MaxVarintLen64
		if r.Max > 0 {
			total += r.Max + frameOverhead(r.Max)
		}
	}
	return total
}

// Pack appends the packed form of cols to dst and returns the extended slice.
func Pack(dst []byte, cols ...[]byte) []byte { return new(Packer).Pack(dst, cols...) }

// Packer packs columns again and again in the same memory: once it has met columns of
// some sizes it needs no more for others like them. What it packed before makes no
// difference. The zero Packer is ready; it serves one goroutine.
type Packer struct {
	whole, parts *zstd.Encoder // of columns up to window bytes, and longer ones
	literals     literals
	frames       []byte
}

// Pack is [Pack].
func (p *Packer) Pack(dst []byte, cols ...[]byte) []byte {
	p.frames = p.frames[:0]
	for _, col := range cols {
		before := len(p.frames)
		p.frames = p.appendFrame(p.frames, col)
		dst = binary.AppendUvarint(dst, uint64(len(p.frames)-before))
	}
	return append(dst, p.frames...)
}

// appendFrame appends the frame of col to dst.
func (p *Packer) appendFrame(dst, col []byte) []byte {
	if len(col) == 0 {
		return dst
	}
	before := len(dst)
	dst = p.encoder(len(col)).EncodeAll(col, dst)
	if len(col) > maxLiterals {
		return dst
	}
	if f := p.literals.frameOf(col); f != nil && len(f) < len(dst)-before {
		dst = append(dst[:before], f...)
	}
	return dst
}

// encoder returns the encoder of columns of n bytes. Only a single segment states
// the size of a short column, and only several keep the window of a long one small.
func (p *Packer) encoder(n int) *zstd.Encoder {
	enc, single := &p.parts, n <= window
	if single {
		enc = &p.whole
	}
	if *enc == nil {
		*enc = newEncoder(single)
	}
	return *enc
}

func newEncoder(single bool) *zstd.Encoder {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(window),
		zstd.WithSingleSegment(single),
		zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderCRC(false)) // digest and cipher already check the content
	if err != nil {
		panic("column: zstd options: " + err.Error())
	}
	return enc
}

// Sizes returns the lengths of the frames of num columns that Pack packed behind
// one another.
func Sizes(packed []byte, num int) []int {
	sizes := make([]int, num)
	for i := range sizes {
		n, used := binary.Uvarint(packed)
		sizes[i], packed = int(n), packed[max(used, 0):]
	}
	return sizes
}

// Unpack takes the packed columns apart. There must be exactly one column for
// each range, each of a length within it, and not a byte more.
func Unpack(src []byte, want ...Range) ([][]byte, error) {
	frames, err := split(src, want)
	if err != nil {
		return nil, err
	}
	sizes := make([]int, len(want))
	biggest := 0
	for i, f := range frames {
		if sizes[i], err = contentSize(f); err != nil {
			return nil, fmt.Errorf("column %d: %w", i, err)
		}
		if r := want[i]; sizes[i] < r.Min || sizes[i] > r.Max {
			return nil, fmt.Errorf("column %d: %d bytes, want %d to %d: %w", i, sizes[i], r.Min, r.Max, ErrMalformed)
		}
		biggest = max(biggest, sizes[i])
	}
	return inflate(frames, sizes, biggest)
}

// split cuts src into frames by the lengths at its head.
func split(src []byte, want []Range) ([][]byte, error) {
	if limit := MaxLen(want...); len(src) > limit {
		return nil, fmt.Errorf("column: %d packed bytes, at most %d: %w", len(src), limit, ErrMalformed)
	}
	frames := make([][]byte, len(want))
	lens := make([]int, len(want))
	for i := range lens {
		n, used := binary.Uvarint(src)
		if used <= 0 || (used > 1 && src[used-1] == 0) || n > math.MaxInt32*1024 {
			return nil, fmt.Errorf("column %d: bad frame length: %w", i, ErrMalformed)
		}
		lens[i], src = int(n), src[used:]
	}
	for i, n := range lens {
		if n > len(src) {
			return nil, fmt.Errorf("column %d: frame of %d bytes, %d are left: %w", i, n, len(src), ErrMalformed)
		}
		frames[i], src = src[:n], src[n:]
	}
	if len(src) != 0 {
		return nil, fmt.Errorf("column: %d bytes after the last frame: %w", len(src), ErrMalformed)
	}
	return frames, nil
}

func inflate(frames [][]byte, sizes []int, biggest int) ([][]byte, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(max(biggest, 1<<10))),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("column: zstd options: %w", err)
	}
	defer dec.Close()
	cols := make([][]byte, len(frames))
	for i, f := range frames {
		if sizes[i] == 0 {
			continue
		}
		col, err := dec.DecodeAll(f, make([]byte, 0, sizes[i]))
		if err != nil {
			return nil, fmt.Errorf("column %d: %w: %w", i, ErrMalformed, err)
		}
		if len(col) != sizes[i] {
			return nil, fmt.Errorf("column %d: %d bytes, its frame says %d: %w", i, len(col), sizes[i], ErrMalformed)
		}
		cols[i] = col
	}
	return cols, nil
}
