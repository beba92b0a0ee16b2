package corpora

// This file holds fetching data from the network into the cache.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"lode/checkpoints"
	"lode/protocol"
)

// ErrDigest says that what was fetched is not what its address names.
var ErrDigest = errors.New("what was fetched has another SHA-256")

// recordFile says what was fetched into a folder.
const recordFile = "fetched.json"

// record is what was fetched from an address.
type record struct {
	Address string
	Files   map[string]fetched
}

// fetched is a file that came whole.
type fetched struct {
	Size   int64
	SHA256 string
}

// IsAddress reports whether a path is an address in the network.
func IsAddress(path string) bool {
	for _, scheme := range []string{"s3://", "http://", "https://"} {
		if strings.HasPrefix(path, scheme) {
			return true
		}
	}
	return false
}

// place is an address, taken apart.
type place struct {
	store  checkpoints.Store
	names  []string // of the objects; nil: all that the store lists
	digest string   // SHA-256 in hex that the only one must have; "" for none
}

// Bring fetches what an address names into the cache, unless it is there, and
// returns the path of the file or the folder. s3://bucket/name is an object, or all
// below that prefix; http(s)://host/name is a file. #sha256=HEX behind the address
// of a file is checked. A fetch that is cut goes on with the next call. What was
// fetched is not asked for again: empty the folder to fetch anew.
func Bring(ctx context.Context, address string, w *Want) (string, error) {
	cache, err := w.cache("fetched")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, protocol.Hash("fetched", []byte(address)).String())
	opt, last := w.Store, ""
	opt.Tell = func(err error) {
		if s := err.Error(); s != last {
			w.Tell("no answer yet from %s, asking again: %s", address, s)
			last = s
		}
	}
	p, err := locate(ctx, address, opt)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", address, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	rec := record{Address: address, Files: map[string]fetched{}}
	if b, err := os.ReadFile(filepath.Join(dir, recordFile)); err == nil {
		if err := json.Unmarshal(b, &rec); err != nil {
			return "", fmt.Errorf("%s: %w: empty the folder to fetch anew", filepath.Join(dir, recordFile), err)
		}
	}
	files := filepath.Join(dir, "files")
	for i, name := range p.names {
		have, ok := rec.Files[name]
		if info, err := os.Stat(filepath.Join(files, name)); !ok || err != nil || info.Size() != have.Size {
			w.Tell("fetching %s (%d of %d)", name, i+1, len(p.names))
			if have, err = fetch(ctx, p.store, name, filepath.Join(files, name)); err != nil {
				return "", fmt.Errorf("fetch %s of %s: %w", name, address, err)
			}
		}
		if p.digest != "" && have.SHA256 != p.digest {
			return "", errors.Join(fmt.Errorf("fetch %s: %w: it is %s", address, ErrDigest, have.SHA256), os.Remove(filepath.Join(files, name)))
		}
		rec.Files[name] = have
		if err := rec.save(dir); err != nil {
			return "", err
		}
	}
	if len(p.names) == 1 {
		return filepath.Join(files, p.names[0]), nil
	}
	return files, nil
}

func (r record) save(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, recordFile+".tmp")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, recordFile))
}

// locate takes an address apart and finds out what it names.
func locate(ctx context.Context, address string, opt checkpoints.Options) (p place, err error) {
	address, fragment, has := strings.Cut(address, "#")
	if p.digest = strings.TrimPrefix(fragment, "sha256="); has {
		if b, err := hex.DecodeString(p.digest); err != nil || len(b) != sha256.Size || p.digest == fragment {
			return p, fmt.Errorf("behind # stands %.80q, want sha256= and 64 hex digits", fragment)
		}
	}
	p.digest = strings.ToLower(p.digest)
	scheme, _, _ := strings.Cut(address, "://")
	base, name := path.Split(strings.TrimRight(address, "/"))
	base = strings.TrimRight(base, "/")
	if scheme == "s3" {
		if p.store, err = checkpoints.Open(ctx, address, opt); err != nil {
			return p, err
		}
		if p.names, err = p.store.List(ctx, ""); err != nil {
			return p, err
		}
		if len(p.names) > 0 {
			if p.digest != "" && len(p.names) != 1 {
				return p, fmt.Errorf("a SHA-256 is given, but %d objects lie below it", len(p.names))
			}
			return p, nil
		}
	}
	if base == scheme+":" || name == "" {
		return p, errors.New("it names no file")
	}
	p.names = []string{name}
	p.store, err = checkpoints.Open(ctx, base, opt)
	return p, err
}

// patience is how often a fetch that makes no progress is tried.
const patience = 5

// fetch gets an object, from where an earlier fetch was cut.
func fetch(ctx context.Context, store checkpoints.Source, name, to string) (got fetched, err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return got, err
	}
	f, err := os.OpenFile(to+".part", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	at, err := io.Copy(sum, f) // what is there already
	if err != nil {
		return got, err
	}
	for tries := 0; ; {
		n, size, err := resume(ctx, store, name, at, io.MultiWriter(f, sum))
		at += n
		switch {
		case errors.Is(err, fs.ErrNotExist), ctx.Err() != nil:
			return got, errors.Join(err, ctx.Err())
		case err == nil && at == size:
			return finish(f, to, size, sum)
		case n == 0 && at > 0 && isShorter(ctx, store, name, at): // another object than before
			if at, err = 0, restart(f, sum); err != nil {
				return got, err
			}
		case err != nil && n == 0 && size == 0: // no answer, however often asked
			return got, fmt.Errorf("%w (the same command goes on from byte %d)", err, at)
		}
		if n > 0 {
			tries = 0
		}
		if tries++; tries == patience {
			return got, fmt.Errorf("cut at byte %d of %d: %w (the same command goes on from there)", at, size, err)
		}
	}
}

// isShorter reports whether an object ends before an offset.
func isShorter(ctx context.Context, store checkpoints.Source, name string, at int64) bool {
	body, size, err := store.Get(ctx, name, 0)
	if err != nil {
		return false
	}
	_ = body.Close() // nothing was read
	return size < at
}

// resume copies what of an object lies behind an offset.
func resume(ctx context.Context, store checkpoints.Source, name string, at int64, to io.Writer) (n, size int64, err error) {
	body, size, err := store.Get(ctx, name, at)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	n, err = io.Copy(to, io.LimitReader(body, size-at))
	return n, size, err
}

func restart(f *os.File, sum hash.Hash) error {
	sum.Reset()
	_, err := f.Seek(0, io.SeekStart)
	return errors.Join(err, f.Truncate(0))
}

// finish puts a file that came whole in its place.
func finish(f *os.File, to string, size int64, sum hash.Hash) (fetched, error) {
	if err := f.Sync(); err != nil {
		return fetched{}, err
	}
	return fetched{size, hex.EncodeToString(sum.Sum(nil))}, os.Rename(f.Name(), to)
}
