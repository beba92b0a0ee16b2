package checkpoints

// This file holds a node's own store of payloads, each under its digest.
//
// Order of writes: bytes are appended to DIGEST.part; when the last one is there
// the whole is hashed, synced, renamed to DIGEST, and the directory synced. A
// crash leaves a part that is at most as long as what was sent (not synced bytes
// may be missing or wrong: the hash tells, and the part goes), or the whole.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
)

// Blobs keeps the payloads of one run in a directory, by SHA-256 digest. All
// methods may be called at the same time; two uploads of one digest take turns.
type Blobs struct {
	disk   disk
	folder string // of the run
	limit  int64  // bytes of one blob
	budget int64  // bytes of all, parts at their full size

	mu       sync.Mutex
	reserved map[[32]byte]int64 // bytes promised to each blob or part
	used     int64              // sum of reserved
	busy     map[[32]byte]bool  // an Append or Delete is under way
}

// ErrFull says that a payload would pass the budget of its store.
var ErrFull = errors.New("no room for another payload")

// ErrBusy says that the same payload is being written by someone else now.
var ErrBusy = errors.New("payload is being written already")

// OffsetError says that an upload must go on from another offset.
type OffsetError struct{ Want int64 }

// Error implements error.
func (e OffsetError) Error() string { return fmt.Sprintf("upload must continue at offset %d", e.Want) }

// OpenBlobs opens the payloads of a run below dir. A blob may have limit bytes,
// all together, with unfinished ones at their full size, budget bytes.
func OpenBlobs(dir string, run [32]byte, limit, budget int64) (*Blobs, error) {
	d, err := openDisk(dir)
	if err != nil {
		return nil, fmt.Errorf("open payloads in %q: %w", dir, err)
	}
	b, err := newBlobs(d, run, limit, budget)
	if err != nil {
		return nil, fmt.Errorf("open payloads in %q: %w", dir, err)
	}
	return b, nil
}

func newBlobs(d disk, run [32]byte, limit, budget int64) (*Blobs, error) {
	b := &Blobs{
		disk: d, folder: runFolder(run), limit: limit, budget: budget,
		reserved: map[[32]byte]int64{}, busy: map[[32]byte]bool{},
	}
	if err := mkdirs(d, b.folder); err != nil {
		return nil, err
	}
	entries, err := d.list(b.folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		digest, err := parseRun(strings.TrimSuffix(e.Name(), partSuffix))
		if err != nil {
			continue // not ours
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		b.used += max(0, info.Size()-b.reserved[digest])
		b.reserved[digest] = max(b.reserved[digest], info.Size())
	}
	return b, nil
}

func (b *Blobs) name(digest [32]byte) string {
	return path.Join(b.folder, hex.EncodeToString(digest[:]))
}

// Has reports whether the payload is here, whole and checked.
func (b *Blobs) Has(digest [32]byte) bool {
	_, err := b.size(b.name(digest))
	return err == nil
}

func (b *Blobs) size(name string) (int64, error) {
	f, err := b.disk.open(name, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	size, err := seekIn(f, 0)
	return size, errors.Join(err, f.Close())
}

// Offset returns how many bytes of the payload are here: where an upload starts
// or goes on. A whole payload's offset is its size; an unknown one's is 0.
func (b *Blobs) Offset(digest [32]byte) (int64, error) {
	for _, name := range []string{b.name(digest), b.name(digest) + partSuffix} {
		size, err := b.size(name)
		if err == nil {
			return size, nil
		}
		if !notThere(err) {
			return 0, fmt.Errorf("payload %x: %w", digest[:6], err)
		}
	}
	return 0, nil
}

// Append adds r's bytes at offset to a payload of the given whole size and
// returns the offset that follows, also when r fails midway: what came before is
// kept. At the end the digest is checked; a payload that does not match is
// removed and the error is [ErrCorrupt]. An offset other than [Blobs.Offset] is
// an [OffsetError].
func (b *Blobs) Append(ctx context.Context, digest [32]byte, size, offset int64, r io.Reader) (int64, error) {
	at, err := b.append(ctx, digest, size, offset, r)
	if err != nil {
		return at, fmt.Errorf("payload %x: %w", digest[:6], err)
	}
	return at, nil
}

func (b *Blobs) append(ctx context.Context, digest [32]byte, size, offset int64, r io.Reader) (int64, error) {
	if size < 0 || size > b.limit {
		return 0, fmt.Errorf("size of %d bytes is not within 0 to %d", size, b.limit)
	}
	if err := b.begin(digest, size); err != nil {
		return 0, err
	}
	defer b.end(digest)
	at, err := b.Offset(digest)
	if err != nil {
		return 0, err
	}
	if b.Has(digest) {
		if at != size {
			return at, fmt.Errorf("is here with %d bytes, not %d: %w", at, size, ErrCorrupt)
		}
		return at, nil
	}
	if at > size {
		return 0, errors.Join(fmt.Errorf("%d bytes came before, of %d: %w", at, size, ErrCorrupt), b.drop(digest))
	}
	if offset != at {
		return at, OffsetError{at}
	}
	return b.grow(ctx, digest, size, at, r)
}

// grow appends to the part and finishes it if it is complete.
func (b *Blobs) grow(ctx context.Context, digest [32]byte, size, at int64, r io.Reader) (int64, error) {
	part := b.name(digest) + partSuffix
	f, err := b.disk.open(part, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return at, err
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return at, errors.Join(err, f.Close())
	}
	n, err := io.Copy(f, io.LimitReader(ctxReader{ctx, r}, size-at))
	at += n
	if err != nil || at < size {
		return at, errors.Join(err, f.Close())
	}
	if err := checkDigest(ctx, f, digest, size); err != nil {
		err = errors.Join(err, f.Close())
		if errors.Is(err, ErrCorrupt) {
			return 0, errors.Join(err, b.drop(digest))
		}
		return at, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return at, err
	}
	return at, place(b.disk, part, b.name(digest))
}

func checkDigest(ctx context.Context, f diskFile, digest [32]byte, size int64) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, ctxReader{ctx, f})
	if err != nil {
		return err
	}
	if n != size || [32]byte(sum.Sum(nil)) != digest {
		return ErrCorrupt
	}
	return nil
}

// begin reserves room and takes the digest for one writer.
func (b *Blobs) begin(digest [32]byte, size int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy[digest] {
		return ErrBusy
	}
	more := max(0, size-b.reserved[digest])
	if more > b.budget-b.used {
		return ErrFull
	}
	b.used += more
	b.reserved[digest] += more
	b.busy[digest] = true
	return nil
}

// end lets others write the digest. A reservation stays while bytes do.
func (b *Blobs) end(digest [32]byte) {
	_, whole := b.size(b.name(digest))
	_, part := b.size(b.name(digest) + partSuffix)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.busy, digest)
	if notThere(whole) && notThere(part) {
		b.used -= b.reserved[digest]
		delete(b.reserved, digest)
	}
}

// Open returns a whole payload and its size.
func (b *Blobs) Open(digest [32]byte) (io.ReadSeekCloser, int64, error) {
	f, err := b.disk.open(b.name(digest), os.O_RDONLY)
	if err != nil {
		return nil, 0, fmt.Errorf("payload %x: %w", digest[:6], err)
	}
	size, err := seekIn(f, 0)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("payload %x: %w", digest[:6], err), f.Close())
	}
	return f, size, nil
}

// Delete removes a payload or what there is of it.
func (b *Blobs) Delete(digest [32]byte) error {
	if err := b.begin(digest, 0); err != nil {
		return fmt.Errorf("delete payload %x: %w", digest[:6], err)
	}
	defer b.end(digest)
	if err := b.drop(digest); err != nil {
		return fmt.Errorf("delete payload %x: %w", digest[:6], err)
	}
	return nil
}

func (b *Blobs) drop(digest [32]byte) error {
	for _, name := range []string{b.name(digest), b.name(digest) + partSuffix} {
		if err := b.disk.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(b.disk, b.folder)
}
