package data

// This file reads the pieces of a corpus as what they were cut from.

import (
	"context"
	"io"
)

// Joined reads the pieces that src hands out behind one another, as often as each is
// asked for. ctx ends what a source fetches for it.
func Joined(ctx context.Context, ix *Index, src Source) io.ReaderAt { return joined{ctx, ix, src} }

type joined struct {
	ctx context.Context
	ix  *Index
	src Source
}

// ReadAt implements [io.ReaderAt].
func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	size := int64(j.ix.Piece)
	for n < len(p) && off >= 0 && off < size*int64(len(j.ix.Digests)) {
		b, err := j.src.Piece(j.ctx, int(off/size))
		if err != nil {
			return n, err
		}
		m := copy(p[n:], b[off%size:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
