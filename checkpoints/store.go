package checkpoints

// This file holds what a place for checkpoints must be able to do, and how an
// address becomes such a place.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Store keeps named objects. A name is made of slash-separated parts of letters,
// digits, '.', '_' and '-'; none begins with a dot. All methods may be called
// at the same time. An object that is not there is fs.ErrNotExist.
type Store interface {
	// Get returns the object's bytes from offset on and its whole size. An
	// offset at the end gives an empty reader, one past it an error.
	Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error)
	// Put stores exactly size bytes of r, replacing what was there. Others see
	// the old object or the new one, never a part.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// PutIfAbsent is Put for an object that must not be there yet; if it is, the
	// error is fs.ErrExist. Of several at once exactly one succeeds.
	PutIfAbsent(ctx context.Context, name string, r io.Reader, size int64) error
	// List returns the names that begin with prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, name string) error
}

// Source is the part of a [Store] that reading takes.
type Source interface {
	Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error)
}

// Options say how to reach a store. The zero value takes everything from the
// environment.
type Options struct {
	Endpoint  string        // S3 server, as https://host:port; default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, then AWS itself
	Region    string        // S3 region; default AWS_REGION, AWS_DEFAULT_REGION, then us-east-1
	AccessKey string        // S3 key; default the environment, then ~/.aws, then the machine's role
	SecretKey Secret        // S3 secret; with AccessKey only
	RetryFor  time.Duration // how long to go on after transient failures; default 30 s, negative for one try
	Tell      func(error)   // hears each of them; nil: nobody does
}

// Secret is a text that never shows itself in a print or a log.
type Secret string

// String returns a word that is not the secret.
func (Secret) String() string { return "secret" }

// GoString does what String does, for %#v.
func (Secret) GoString() string { return "secret" }

// MarshalText keeps the secret out of encodings.
func (Secret) MarshalText() ([]byte, error) { return []byte("secret"), nil }

const defaultRetryFor = 30 * time.Second

func (o Options) retryFor() time.Duration {
	if o.RetryFor == 0 {
		return defaultRetryFor
	}
	return max(o.RetryFor, 0)
}

// Open returns the store at an address: a path or file:///path for a directory,
// s3://bucket/prefix, or https://host/path (http too) to read only.
func Open(ctx context.Context, address string, opt Options) (Store, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return OpenDir(address)
	}
	switch scheme {
	case "file":
		u, err := url.Parse(address)
		if err != nil || u.Path == "" || u.Host != "" && u.Host != "localhost" {
			return nil, fmt.Errorf("store address %q: want file:///absolute/path", address)
		}
		return OpenDir(filepath.FromSlash(u.Path))
	case "s3":
		bucket, prefix, _ := strings.Cut(rest, "/")
		return OpenS3(ctx, bucket, strings.Trim(prefix, "/"), opt)
	case "http", "https":
		return openWeb(address, opt)
	}
	return nil, fmt.Errorf("store address %q: unknown kind %q; use a path, file://, s3:// or https://", address, scheme)
}

// readAll reads an object of at most limit bytes.
func readAll(ctx context.Context, src Source, name string, limit int64) (_ []byte, err error) {
	r, size, err := src.Get(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, size, limit)
	}
	b, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) != size {
		return nil, fmt.Errorf("read %s: got %d bytes of %d: %w", name, len(b), size, io.ErrUnexpectedEOF)
	}
	return b, nil
}

func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
