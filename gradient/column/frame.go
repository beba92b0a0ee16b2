package column

// This file holds the walk over one zstd frame (RFC 8878, section 3.1.1) that
// makes sure there is exactly one and that it says how much it holds.

import (
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
)

const (
	blockHeaderLen = 3
	checksumLen    = 4
	blockRLE       = 1 // block type whose body is one byte, whatever its size
	blockReserved  = 3
)

// contentSize returns how many bytes frame holds by its own account, after
// checking that it is a single frame and nothing else. An empty frame holds 0.
func contentSize(frame []byte) (int, error) {
	if len(frame) == 0 {
		return 0, nil
	}
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return 0, fmt.Errorf("frame header: %w: %w", ErrMalformed, err)
	}
	if h.Skippable || !h.HasFCS || h.DictionaryID != 0 {
		return 0, fmt.Errorf("frame is not a plain one with its size: %w", ErrMalformed)
	}
	if h.FrameContentSize == 0 || h.FrameContentSize > math.MaxInt32*1024 {
		return 0, fmt.Errorf("frame says %d bytes: %w", h.FrameContentSize, ErrMalformed)
	}
	rest, err := skipBlocks(frame[h.HeaderSize:])
	if err != nil {
		return 0, err
	}
	want := 0
	if h.HasCheckSum {
		want = checksumLen
	}
	if len(rest) != want {
		return 0, fmt.Errorf("%d bytes after the last block, want %d: %w", len(rest), want, ErrMalformed)
	}
	return int(h.FrameContentSize), nil
}

// skipBlocks returns what follows the last block.
func skipBlocks(b []byte) ([]byte, error) {
	for {
		if len(b) < blockHeaderLen {
			return nil, fmt.Errorf("frame ends inside a block: %w", ErrMalformed)
		}
		head := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		last, kind, size := head&1 == 1, head>>1&3, head>>3
		if kind == blockReserved {
			return nil, fmt.Errorf("reserved block type: %w", ErrMalformed)
		}
		if kind == blockRLE {
			size = 1
		}
		if b = b[blockHeaderLen:]; size > len(b) {
			return nil, fmt.Errorf("frame ends inside a block: %w", ErrMalformed)
		}
		if b = b[size:]; last {
			return b, nil
		}
	}
}
