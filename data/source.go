package data

// This file holds the source of pieces, and the one that reads a corpus.

import (
	"context"
	"fmt"

	"lode/protocol"
)

// Source hands out the pieces of an indexed corpus by number, from 0. What it
// returns has the digest that the index names and must not be changed.
type Source interface {
	Piece(ctx context.Context, i int) ([]byte, error)
}

// Local is the source that reads a corpus on this machine.
type Local struct {
	corpus *Corpus
	index  *Index
}

// NewLocal returns the pieces that ix names out of c, which must be the corpus
// that ix was made of.
func NewLocal(c *Corpus, ix *Index) (*Local, error) {
	if c.bytes != ix.Bytes {
		return nil, fmt.Errorf("%w: %s has %d bytes, its index was made of %d", ErrChanged, c.name, c.bytes, ix.Bytes)
	}
	return &Local{c, ix}, nil
}

// Piece implements [Source]. The caller owns the result.
func (l *Local) Piece(ctx context.Context, i int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if i < 0 || i >= len(l.index.Digests) {
		return nil, noPiece(i, l.index)
	}
	b := make([]byte, l.index.Piece)
	if _, err := l.corpus.ReadAt(b, int64(i)*int64(l.index.Piece)); err != nil {
		return nil, fmt.Errorf("piece %d: %w", i, err)
	}
	if protocol.Sum(b) != l.index.Digests[i] {
		return nil, fmt.Errorf("piece %d: %w: %s is not what its index was made of", i, ErrChanged, l.corpus.name)
	}
	return b, nil
}

func noPiece(i int, ix *Index) error {
	return fmt.Errorf("piece %d: the corpus has pieces 0 to %d", i, len(ix.Digests)-1)
}
