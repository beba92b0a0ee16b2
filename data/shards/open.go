package shards

// This file holds the folder as a source of pieces.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"lode/data"
	"lode/data/tokenizer"
	"lode/protocol"
)

// Folder is prepared data that is open.
type Folder struct {
	Description Description
	Index       *data.Index

	dir    string
	shards [][]byte // mapped
}

// Open opens a prepared folder. It reads the description and the index and maps
// the files of tokens; pieces are checked when they are asked for.
func Open(dir string) (_ *Folder, err error) {
	d, err := Describe(dir)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) (*Folder, error) {
		return nil, fmt.Errorf("prepared data in %s: %w: %w", dir, ErrFolder, fmt.Errorf(format, args...))
	}
	raw, err := readBounded(filepath.Join(dir, indexFile), data.MaxIndexLen)
	if err != nil {
		return fail("%w", err)
	}
	if protocol.Sum(raw) != d.Index {
		return fail("its index is not the one that %s names", DescriptionFile)
	}
	ix, err := data.ParseIndex(raw)
	if err != nil {
		return fail("%w", err)
	}
	if ix.Bytes != d.Bytes() || ix.Piece != d.Piece || ix.Width != d.Width {
		return fail("its index is of %d bytes in pieces of %d, %s says %d and %d", ix.Bytes, ix.Piece, DescriptionFile, d.Bytes(), d.Piece)
	}
	f := &Folder{Description: *d, Index: ix, dir: dir}
	for i := range d.Files() {
		want := min(d.Shard, d.Bytes()-uint64(i)*d.Shard)
		b, err := openMapped(filepath.Join(dir, shardName(i)), want)
		if err != nil {
			f.Close()
			return fail("%w", err)
		}
		f.shards = append(f.shards, b)
	}
	return f, nil
}

func openMapped(path string, want uint64) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }() // a mapping stays
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if uint64(info.Size()) != want {
		return nil, fmt.Errorf("%s has %d bytes, it had %d", path, info.Size(), want)
	}
	return mapFile(file, int(want))
}

// Close gives the files back.
func (f *Folder) Close() {
	for _, b := range f.shards {
		unmapFile(b)
	}
	f.shards = nil
}

// Tokenizer returns the tokenizer and its file, nil if tokens are bytes.
func (f *Folder) Tokenizer() (tokenizer.Tokenizer, []byte, error) {
	if f.Description.Tokenizer == protocol.TokenBytes {
		return tokenizer.Bytes{}, nil, nil
	}
	path := filepath.Join(f.dir, TokenizerFile)
	b, err := readBounded(path, protocol.MaxTokenizer)
	if err != nil {
		return nil, nil, fmt.Errorf("prepared data: %w", err)
	}
	if protocol.Sum(b) != f.Description.Vocabulary {
		return nil, nil, fmt.Errorf("prepared data: %w: %s is not the one that the data was made with", ErrFolder, path)
	}
	t, err := tokenizer.Parse(b)
	if err != nil {
		return nil, nil, fmt.Errorf("prepared data: %s: %w", path, err)
	}
	return t, b, nil
}

// Piece implements [data.Source]. The caller owns the result.
func (f *Folder) Piece(ctx context.Context, i int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if i < 0 || i >= len(f.Index.Digests) {
		return nil, fmt.Errorf("piece %d: the data has pieces 0 to %d", i, len(f.Index.Digests)-1)
	}
	at := uint64(i) * uint64(f.Index.Piece)
	b := make([]byte, f.Index.Piece)
	if err := copyMapped(b, f.shards[at/f.Description.Shard][at%f.Description.Shard:]); err != nil {
		return nil, fmt.Errorf("piece %d: %w: %w", i, data.ErrChanged, err)
	}
	if protocol.Sum(b) != f.Index.Digests[i] {
		return nil, fmt.Errorf("piece %d: %w: %s is not what it was when it was prepared", i, data.ErrChanged, f.dir)
	}
	return b, nil
}

// copyMapped copies what is mapped. Reading behind the end of a file that became
// shorter since is a fault of the processor, which is caught here and nowhere else.
func copyMapped(dst, src []byte) (err error) {
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a file of tokens cannot be read any more: %v", p)
		}
	}()
	copy(dst, src)
	return nil
}

// Check reads all pieces on so many goroutines and returns the numbers of those
// that are not what they were, in order. It also fails on tokens that the tokenizer
// does not have. progress hears of each piece.
func (f *Folder) Check(ctx context.Context, workers int, progress func(done, total int)) (bad []int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	found := make([][]int, workers)
	var done atomic.Int64
	for w := range workers {
		g.Go(func() error { // ends with its share of the pieces
			ids := make([]int32, f.Index.Piece/f.Index.Width)
			for i := w; i < len(f.Index.Digests); i += workers {
				b, err := f.Piece(ctx, i)
				switch {
				case errors.Is(err, data.ErrChanged):
					found[w] = append(found[w], i)
				case err != nil:
					return err
				}
				if b != nil {
					data.Tokens(ids, b, f.Index.Width)
					if top := slices.Max(ids); slices.Min(ids) < 0 || int(top) >= f.Description.Vocab {
						return fmt.Errorf("piece %d has token %d, the tokenizer has %d", i, top, f.Description.Vocab)
					}
				}
				progress(int(done.Add(1)), len(f.Index.Digests))
			}
			return nil
		})
	}
	err = g.Wait()
	bad = slices.Concat(found...)
	slices.Sort(bad)
	return bad, err
}
