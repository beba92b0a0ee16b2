package data

// This file holds the source for machines without the corpus: it fetches pieces
// by digest and keeps the latest.

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"lode/protocol"
)

// ErrWrongPiece says that what was fetched is not the piece that was asked for.
var ErrWrongPiece = errors.New("content is not the piece of that digest")

// Fetch gets the piece of that digest from somewhere. It must not return more
// than [MaxPiece] bytes.
type Fetch func(ctx context.Context, piece protocol.Digest) ([]byte, error)

// Cached is the source that fetches pieces. It checks each, keeps the latest
// used ones in memory and, if it has a folder, every one on disk: at most the
// length of the corpus.
type Cached struct {
	index *Index
	fetch Fetch
	dir   string // "" is no folder
	most  int    // pieces in memory, at least 1

	mu    sync.Mutex
	held  map[int]*list.Element // of order, by number
	order *list.List            // of heldPiece, the latest used in front; length at most most
}

type heldPiece struct {
	i int
	b []byte
}

// NewCached returns a source of the pieces that ix names. It holds at most that
// many bytes of them in memory, but at least one piece. Folder dir, if not "",
// is made if it is missing; several processes may share one.
func NewCached(ix *Index, fetch Fetch, memory int64, dir string) (*Cached, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("folder for pieces: %w", err)
		}
	}
	most := max(1, memory/int64(ix.Piece))
	return &Cached{
		index: ix, fetch: fetch, dir: dir, most: int(min(most, int64(len(ix.Digests)))),
		held: map[int]*list.Element{}, order: list.New(),
	}, nil
}

// Piece implements [Source]. A piece asked for by two goroutines at once may be
// fetched twice.
func (c *Cached) Piece(ctx context.Context, i int) ([]byte, error) {
	if i < 0 || i >= len(c.index.Digests) {
		return nil, noPiece(i, c.index)
	}
	if b := c.recall(i); b != nil {
		return b, nil
	}
	want := c.index.Digests[i]
	b := c.load(want)
	if b == nil {
		var err error
		if b, err = c.fetch(ctx, want); err != nil {
			return nil, fmt.Errorf("piece %d: %w", i, err)
		}
		if !c.is(b, want) {
			return nil, fmt.Errorf("piece %d: %w: %s", i, ErrWrongPiece, want.Short())
		}
		if err := c.store(want, b); err != nil {
			return nil, fmt.Errorf("piece %d: keep on disk: %w", i, err)
		}
	}
	c.keep(i, b)
	return b, nil
}

func (c *Cached) is(b []byte, want protocol.Digest) bool {
	return len(b) == c.index.Piece && protocol.Sum(b) == want
}

// recall returns piece i from memory, nil if it is not there.
func (c *Cached) recall(i int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.held[i]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(heldPiece).b
}

// keep holds piece i in memory and lets go of the longest unused one.
func (c *Cached) keep(i int, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[i]; ok {
		return
	}
	for len(c.held) >= c.most {
		last := c.order.Remove(c.order.Back()).(heldPiece)
		delete(c.held, last.i)
	}
	c.held[i] = c.order.PushFront(heldPiece{i, b})
}

func (c *Cached) path(d protocol.Digest) string { return filepath.Join(c.dir, d.String()) }

// load returns the piece from disk, nil if it is not there or is damaged: then
// it is fetched again and replaced.
func (c *Cached) load(want protocol.Digest) []byte {
	if c.dir == "" {
		return nil
	}
	f, err := os.Open(c.path(want))
	if err != nil {
		return nil
	}
	defer f.Close() // only read: closing loses nothing
	b := make([]byte, c.index.Piece)
	if n, err := f.ReadAt(b, 0); n != len(b) || err != nil || !c.is(b, want) {
		return nil
	}
	return b
}

// store keeps the piece on disk; one that a crash damages is fetched again.
func (c *Cached) store(d protocol.Digest, b []byte) error {
	if c.dir == "" {
		return nil
	}
	return keepFile(c.dir, c.path(d), b)
}
