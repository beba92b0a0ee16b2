package checkpoints

// This file holds storing what is written piece by piece, which readers cannot be
// had of.

import (
	"context"
	"io"
)

// Putter takes objects as a [Store] does.
type Putter interface {
	Put(ctx context.Context, name string, r io.Reader, size int64) error
}

// Stream stores what write writes, exactly size bytes, holding no more than a piece
// of it.
func Stream(ctx context.Context, to Putter, name string, size int64, write func(io.Writer) error) error {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() { // ends once all is read or nothing more will be
		err := write(w)
		_ = w.CloseWithError(err) // never fails
		written <- err
	}()
	err := to.Put(ctx, name, r, size)
	_ = r.Close() // never fails
	if werr := <-written; err == nil && werr != nil {
		err = werr
	}
	return err
}

// Measure returns how many bytes write writes.
func Measure(write func(io.Writer) error) (int64, error) {
	var n length
	err := write(&n)
	return int64(n), err
}

// length counts the bytes that are written to it.
type length int64

// Write implements io.Writer.
func (n *length) Write(b []byte) (int, error) {
	*n += length(len(b))
	return len(b), nil
}

// nowhere takes objects and forgets them.
type nowhere struct{}

// Put implements [Putter].
func (nowhere) Put(ctx context.Context, _ string, r io.Reader, size int64) error {
	return copyExactly(io.Discard, ctxReader{ctx, r}, size)
}
