package checkpoints

// This file holds fetching one file of a checkpoint: what is there is kept if it
// is right, what was begun is continued.

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
)

// partSuffix ends the name of a file that is not whole yet.
const partSuffix = ".part"

type fetcher struct {
	src     Source
	disk    disk
	opt     PullOptions
	done    int64 // bytes of finished files
	total   int64
	fetched int64 // bytes received
}

func (f *fetcher) report(extra int64) {
	if f.opt.Progress != nil {
		f.opt.Progress(f.done+extra, f.total)
	}
}

// file brings one file to its name.
func (f *fetcher) file(ctx context.Context, folder string, want File) error {
	whole, err := f.have(ctx, want)
	if err != nil {
		return err
	}
	if !whole {
		resumed, err := f.fetch(ctx, folder, want)
		if errors.Is(err, ErrCorrupt) && resumed {
			// The beginning may have been damaged here: once more, from nothing.
			_, err = f.fetch(ctx, folder, want)
		}
		if err != nil {
			return err
		}
	}
	f.done += want.Size
	f.report(0)
	return nil
}

// have reports whether the file is there already, byte for byte.
func (f *fetcher) have(ctx context.Context, want File) (_ bool, err error) {
	in, err := f.disk.open(want.Name, os.O_RDONLY)
	if notThere(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if size, err := seekIn(in, 0); err != nil || size != want.Size {
		return false, nil //nolint:nilerr // whatever lies there is replaced, or the rename says why not
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, ctxReader{ctx, in}); err != nil {
		return false, err
	}
	return [32]byte(sum.Sum(nil)) == want.SHA256, nil
}

// fetch grows the part file to its full length, checks it and renames it. It
// reports whether it continued earlier work. A part that turns out wrong is
// removed.
func (f *fetcher) fetch(ctx context.Context, folder string, want File) (resumed bool, err error) {
	part := want.Name + partSuffix
	out, err := f.disk.open(part, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return false, err
	}
	sum := sha256.New()
	at, err := f.begun(ctx, out, want, sum)
	if err == nil {
		f.report(at)
		err = f.grow(ctx, path.Join(folder, want.Name), out, sum, at, want.Size)
	}
	if err == nil && [32]byte(sum.Sum(nil)) != want.SHA256 {
		err = fmt.Errorf("%d bytes received, but the digest differs from the manifest's: %w", want.Size, ErrCorrupt)
	}
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		if errors.Is(err, ErrCorrupt) {
			err = errors.Join(err, f.disk.remove(part))
		}
		return at > 0, err
	}
	return at > 0, place(f.disk, part, want.Name)
}

// begun hashes what an earlier pull left and returns how much that is.
func (f *fetcher) begun(ctx context.Context, out diskFile, want File, sum hash.Hash) (int64, error) {
	size, err := seekIn(out, 0)
	if err != nil {
		return 0, err
	}
	if size > want.Size { // of another checkpoint
		return 0, out.Truncate(0)
	}
	n, err := io.Copy(sum, ctxReader{ctx, out})
	return n, err
}

// grow appends the object's bytes from at to size, coming back after cuts as long
// as bytes keep arriving.
func (f *fetcher) grow(ctx context.Context, name string, out io.Writer, sum hash.Hash, at, size int64) error {
	tries := newAttempts(Options{RetryFor: f.opt.RetryFor}.retryFor())
	for at < size {
		n, err := f.receive(ctx, name, io.MultiWriter(out, sum), at, size)
		at += n
		if n > 0 {
			tries.progress()
		}
		switch {
		case at == size:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errFinal) || !tries.again(ctx):
			return fmt.Errorf("have %d of %d bytes; run the same command again to continue: %w", at, size, err)
		}
	}
	return nil
}

// errFinal marks failures that waiting does not mend.
var errFinal = errors.New("cannot go on")

// receive copies from one answer of the store.
func (f *fetcher) receive(ctx context.Context, name string, to io.Writer, at, size int64) (n int64, err error) {
	body, have, err := f.src.Get(ctx, name, at)
	if err != nil && !transientS3(err) && !transientWeb(err) {
		return 0, fmt.Errorf("%w: %w", errFinal, err)
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = body.Close() }() // read only
	if have != size {
		return 0, fmt.Errorf("%w: the store's file has %d bytes, the manifest says %d: %w", errFinal, have, size, ErrCorrupt)
	}
	buf := make([]byte, 64<<10)
	for at+n < size {
		got, rerr := body.Read(buf[:min(int64(len(buf)), size-at-n)])
		if got > 0 {
			if _, err := to.Write(buf[:got]); err != nil {
				return n, fmt.Errorf("%w: %w", errFinal, err)
			}
			n += int64(got)
			f.fetched += int64(got)
			f.report(at + n)
		}
		if rerr == io.EOF && at+n < size {
			rerr = io.ErrUnexpectedEOF
		}
		if rerr != nil && at+n < size {
			return n, rerr
		}
	}
	return n, nil
}
