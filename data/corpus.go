package data

// This file holds the corpus: files on this machine, read as one text.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"lode/protocol"
)

// Errors about corpora; callers tell them apart with [errors.Is].
var (
	// ErrNoCorpus says that there is no text to train on at all.
	ErrNoCorpus = errors.New("no corpus")
	// ErrChanged says that files changed after the corpus was opened or indexed.
	ErrChanged = errors.New("the corpus changed on disk")
)

// Corpus is text on this machine: files in an order, with one line feed between
// two of them. It keeps no file open and reads only what is asked for.
type Corpus struct {
	name    string
	parts   []part
	bytes   uint64
	skipped int
}

// part is a file's place in the corpus. The parts are in the order of their
// starts; between two lies one line feed.
type part struct {
	path    string
	start   uint64
	size    uint64 // above 0
	changed time.Time
}

// add appends a file of size bytes. Empty files have no place.
func (c *Corpus) add(path string, size uint64, changed time.Time) {
	if size == 0 {
		return
	}
	start := c.next()
	c.parts = append(c.parts, part{path, start, size, changed})
	c.bytes = start + size
}

// next returns where the next file begins.
func (c *Corpus) next() uint64 {
	if len(c.parts) == 0 {
		return 0
	}
	return c.bytes + 1
}

// Name says where the corpus comes from, for people.
func (c *Corpus) Name() string { return c.name }

// Bytes returns the length of the corpus.
func (c *Corpus) Bytes() uint64 { return c.bytes }

// Files returns the number of files the corpus consists of.
func (c *Corpus) Files() int { return len(c.parts) }

// Paths returns the files, in their order.
func (c *Corpus) Paths() []string {
	all := make([]string, len(c.parts))
	for i, p := range c.parts {
		all[i] = p.path
	}
	return all
}

// Skipped returns the number of files in the folder that were left out because
// they are binary, hidden, links or devices.
func (c *Corpus) Skipped() int { return c.skipped }

// ReadAt implements [io.ReaderAt] over the whole corpus.
func (c *Corpus) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s: negative offset", c.name)
	}
	at := uint64(off)
	for n < len(p) && at < c.bytes {
		pt := c.parts[sort.Search(len(c.parts), func(i int) bool { return c.parts[i].start > at })-1]
		if at == pt.start+pt.size {
			p[n] = '\n'
			n, at = n+1, at+1
			continue
		}
		m, err := pt.readAt(p[n:], at-pt.start)
		n, at = n+m, at+uint64(m)
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readAt reads what lies in the part from off on and fits into p.
func (pt part) readAt(p []byte, off uint64) (int, error) {
	if left := pt.size - off; uint64(len(p)) > left {
		p = p[:left]
	}
	f, err := os.Open(pt.path)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	defer f.Close() // only read: closing loses nothing
	n, err := f.ReadAt(p, int64(off))
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF {
		return n, fmt.Errorf("%w: %s is shorter than it was", ErrChanged, pt.path)
	}
	return n, fmt.Errorf("read corpus: %w", err)
}

// Index reads the whole corpus once and returns its index with pieces of that
// many bytes. After each piece it calls progress, if not nil, with the bytes
// read so far and in all.
func (c *Corpus) Index(ctx context.Context, piece int, progress func(done, total uint64)) (*Index, error) {
	if err := checkSizes(c.bytes, piece, 1); err != nil {
		return nil, fmt.Errorf("index %s: %w", c.name, err)
	}
	ix := &Index{Bytes: c.bytes, Piece: piece, Width: 1, Digests: make([]protocol.Digest, c.bytes/uint64(piece))}
	buf := make([]byte, piece)
	for i := range ix.Digests {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("index %s: %w", c.name, err)
		}
		if _, err := c.ReadAt(buf, int64(i)*int64(piece)); err != nil {
			return nil, fmt.Errorf("index %s: %w", c.name, err)
		}
		ix.Digests[i] = protocol.Sum(buf)
		if progress != nil {
			progress(uint64(i+1)*uint64(piece), c.bytes)
		}
	}
	return ix, nil
}
