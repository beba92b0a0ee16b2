package data

// This file reads the pieces of a corpus as what they were cut from.

import (
	"context"
	"io"
)

// Joined reads the pieces that src hands out behind one another. It keeps the last one,
// so that who reads in order asks for each once, and serves one goroutine at a time. ctx
// ends what a source fetches for it.
func Joined(ctx context.Context, ix *Index, src Source) io.ReaderAt {
	return &joined{ctx: ctx, ix: ix, src: src}
}

type joined struct {
	ctx  context.Context
	ix   *Index
	src  Source
	num  int    // of the piece that is held
	held []byte // nil: none is
}

// ReadAt implements [io.ReaderAt].
func (j *joined) ReadAt(p []byte, off int64) (n int, err error) {
	size := int64(j.ix.Piece)
	for n < len(p) && off >= 0 && off < size*int64(len(j.ix.Digests)) {
		if i := int(off / size); j.held == nil || j.num != i {
			b, err := j.src.Piece(j.ctx, i)
			if err != nil {
				return n, err
			}
			j.num, j.held = i, b
		}
		m := copy(p[n:], j.held[off%size:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
