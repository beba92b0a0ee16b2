package replica

// This file holds the parameters that a run begins with: drawn from its seed, or given
// exactly, in pieces that travel as those of a corpus do.

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"lode/data"
	"lode/engine/model"
	"lode/protocol"
	"lode/tensor"
)

// ErrNotAtHand says that a run begins with given parameters, which are not here.
var ErrNotAtHand = errors.New("the run begins with given parameters, which are not at hand")

// Begin gives dst the parameters that the run begins with. Those that are given come
// from Initial, and have the root that the manifest names, or Begin fails and dst is of
// no use.
func (r *Rules) Begin(dst tensor.Writer) error {
	if err := r.begin(dst); err != nil {
		return fmt.Errorf("initial parameters: %w", err)
	}
	return nil
}

func (r *Rules) begin(dst tensor.Writer) error {
	want := r.Manifest.Model.Initial
	if want == (protocol.Digest{}) {
		return model.Init(r.Model, r.Manifest.Seed, dst)
	}
	if r.Initial == nil {
		return ErrNotAtHand
	}
	root, err := tensor.Root(r.Layout, tensor.Tee(r.Initial, dst))
	if err == nil && root != want {
		err = fmt.Errorf("those at hand have root %s, the run's have %s", protocol.Digest(root).Short(), want.Short())
	}
	return err
}

// FirstRoot returns the root of the parameters that the run begins with. Given ones need
// not be at hand.
func (r *Rules) FirstRoot() (protocol.Digest, error) {
	if d := r.Manifest.Model.Initial; d != (protocol.Digest{}) {
		return d, nil
	}
	m, err := NewModel(r)
	if err != nil {
		return protocol.Digest{}, err
	}
	return tensor.Root(r.Layout, m.Params)
}

// maxInitialPiece is the length of the pieces of given parameters, bytes; fewer than two
// of these are cut into two.
const maxInitialPiece = 1 << 20

// cutting returns how given parameters are cut: 4·D bytes, float32 as [tensor.Stream]
// writes them, and as many zeros as make them a whole number of pieces.
func cutting(l tensor.Layout) (piece int, bytes uint64) {
	size := 4 * uint64(l.Len())
	for piece = data.MinPiece; piece < maxInitialPiece && 2*uint64(piece) < size; {
		piece *= 2
	}
	num := max(2, (size+uint64(piece)-1)/uint64(piece))
	return piece, num * uint64(piece)
}

// Given is what a manifest says of given parameters.
type Given struct {
	Root  protocol.Digest // for Model.Initial
	Index *data.Index     // whose digest is for Model.Pieces
}

// Cut reads given parameters once, writes them to w as they travel, and returns what
// names them.
func Cut(w io.Writer, l tensor.Layout, src tensor.Reader) (g Given, err error) {
	piece, size := cutting(l)
	cut := &cutter{left: piece, sum: sha256.New(), index: &data.Index{Bytes: size, Piece: piece, Width: 4}}
	both := io.MultiWriter(w, cut)
	if g.Root, err = tensor.Root(l, tensor.Tee(src, tensor.To(both))); err != nil {
		return g, err
	}
	_, err = both.Write(make([]byte, size-4*uint64(l.Len())))
	g.Index = cut.index
	return g, err
}

// cutter hashes the pieces of what is written to it.
type cutter struct {
	index *data.Index
	sum   hash.Hash // of the piece that is not full yet
	left  int       // bytes of it to come
}

// Write implements io.Writer.
func (c *cutter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part := b[:min(len(b), c.left)]
		c.sum.Write(part)
		b, c.left = b[len(part):], c.left-len(part)
		if c.left == 0 {
			c.index.Digests = append(c.index.Digests, protocol.Digest(c.sum.Sum(nil)))
			c.sum.Reset()
			c.left = c.index.Piece
		}
	}
	return n, nil
}

// ParsePieces reads the index of the parameters that the run is given, and refuses any
// other.
func (r *Rules) ParsePieces(b []byte) (*data.Index, error) {
	piece, size := cutting(r.Layout)
	ix, err := data.ParseIndex(b)
	want := r.Manifest.Model.Pieces
	switch {
	case err != nil:
	case ix.Digest() != want:
		err = fmt.Errorf("it is %s, the run's is %s", ix.Digest().Short(), want.Short())
	case ix.Bytes != size || ix.Piece != piece || ix.Width != 4:
		err = fmt.Errorf("%d bytes in pieces of %d, the model has %d in pieces of %d", ix.Bytes, ix.Piece, size, piece)
	}
	if err != nil {
		return nil, fmt.Errorf("index of the initial parameters: %w", err)
	}
	return ix, nil
}

// pieces fetches the index and returns a source of the pieces, which are kept in dir.
func (r *Rules) pieces(ctx context.Context, from Fetcher, dir string) (*data.Index, data.Source, error) {
	b, err := from.Fetch(ctx, r.Manifest.Model.Pieces, data.MaxIndexLen)
	if err != nil {
		return nil, nil, fmt.Errorf("index of the initial parameters: %w", err)
	}
	ix, err := r.ParsePieces(b)
	if err != nil {
		return nil, nil, err
	}
	fetch := func(ctx context.Context, d protocol.Digest) ([]byte, error) {
		return from.Fetch(ctx, d, int64(ix.Piece))
	}
	src, err := data.NewCached(ix, fetch, int64(ix.Piece), dir)
	return ix, src, err
}

// Reach sets Initial, where the run is given its parameters, so that they are fetched
// when they are read, and kept in the folder dir. ctx ends what is fetched.
func (r *Rules) Reach(ctx context.Context, from Fetcher, dir string) error {
	if r.Manifest.Model.Pieces == (protocol.Digest{}) {
		return nil
	}
	ix, src, err := r.pieces(ctx, from, dir)
	if err == nil {
		r.Initial = tensor.At(data.Joined(ctx, ix, src))
	}
	return err
}

// fetchers is how many pieces are under way at once.
const fetchers = 4

// Bring is [Rules.Reach] that fetches everything at once. What lies in the folder is not
// fetched again. told hears how many bytes of how many are there; it may be called by
// several goroutines at a time.
func (r *Rules) Bring(ctx context.Context, from Fetcher, dir string, told func(done, total uint64)) error {
	if r.Manifest.Model.Pieces == (protocol.Digest{}) {
		return nil
	}
	ix, src, err := r.pieces(ctx, from, dir)
	if err != nil {
		return err
	}
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	var done atomic.Uint64
	for i := range ix.Digests {
		g.Go(func() error { // ends with its piece
			if _, err := src.Piece(each, i); err != nil {
				return fmt.Errorf("initial parameters: %w", err)
			}
			told(done.Add(uint64(ix.Piece)), ix.Bytes)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.Initial = tensor.At(data.Joined(ctx, ix, src))
	return nil
}
