package data

// This file holds indexes that are remembered, so that a corpus is read once only.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lode/protocol"
)

// key is the digest of the corpus's files: their paths, sizes and times of change.
func (c *Corpus) key(piece int) protocol.Digest {
	parts := [][]byte{binary.LittleEndian.AppendUint64(nil, uint64(piece))}
	for _, p := range c.parts {
		parts = append(parts, []byte(p.path), binary.LittleEndian.AppendUint64(nil, p.size),
			binary.LittleEndian.AppendUint64(nil, uint64(p.changed.UnixNano())))
	}
	return protocol.Hash("data remembered", parts...)
}

// Remembered is [Corpus.Index], but reads the corpus only the first time: it keeps
// the index in dir, which is made if it is missing, and takes it from there as long
// as paths, sizes and times of the files are the same. A file that changed all the
// same is found when its pieces are read.
func (c *Corpus) Remembered(ctx context.Context, piece int, dir string, progress func(done, total uint64)) (*Index, error) {
	path := filepath.Join(dir, c.key(piece).String()+".index")
	if b, err := os.ReadFile(path); err == nil {
		if ix, err := ParseIndex(b); err == nil && ix.Bytes == c.bytes && ix.Piece == piece && ix.Width == 1 {
			return ix, nil
		}
	}
	ix, err := c.Index(ctx, piece, progress)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("remember index: %w", err)
	}
	if err := keepFile(dir, path, ix.Encode()); err != nil {
		return nil, fmt.Errorf("remember index: %w", err)
	}
	return ix, nil
}

// keepFile writes a file beside its place and moves it there, so that no reader
// meets half of it. It is not synced: what a crash damages is not taken for good.
func keepFile(dir, path string, b []byte) error {
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
