package corpora

// This file holds opening data: which of the ways to read it fits.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lode/checkpoints"
	"lode/data"
	"lode/data/documents"
	"lode/data/shards"
	"lode/data/tokenizer"
	"lode/protocol"
)

// StandardLibrary stands for the sources of Go's standard library.
const StandardLibrary = "go-stdlib"

// rememberFrom is from how many bytes on an index is kept in the cache.
const rememberFrom = 64 << 20

// Want says what is to be opened.
type Want struct {
	Path      string // file, folder, prepared folder, address; "" or [StandardLibrary]
	Tokenizer string // "" or "bytes", or the path of a tokenizer.json; a prepared folder brings its own
	Records   int    // bytes of each, if that is what the files hold; 0: text
	Piece     int    // bytes; a prepared folder has its own
	Read      documents.Options
	Store     checkpoints.Options // how S3 is reached
	Cache     string              // folder; "": the user's

	// File is the tokenizer's file of a run, in place of Tokenizer; Index that of
	// the run, so that text need not be read to know it. Both may be nil.
	File  []byte
	Index *data.Index

	// Lock takes a folder for this process alone, or fails at once.
	Lock func(dir string) (unlock func(), err error)
	// Tell hears what takes time, in a line; nil: nobody does.
	Tell func(format string, args ...any)
}

// Corpus is data that is open.
type Corpus struct {
	Name      string // where it comes from, for people
	Index     *data.Index
	Source    data.Source
	Tokenizer tokenizer.Tokenizer // nil for records
	File      []byte              // the tokenizer's; nil: tokens are bytes
	// BytesPerToken is the mean length of a token's text, 1 for bytes.
	BytesPerToken float64

	close func()
}

// Close gives the files back.
func (c *Corpus) Close() {
	if c.close != nil {
		c.close()
	}
}

// Vocabulary is the digest of the tokenizer's file, zero if there is none.
func (c *Corpus) Vocabulary() protocol.Digest {
	if c.File == nil {
		return protocol.Digest{}
	}
	return protocol.Sum(c.File)
}

// Open opens data. Text that needs a tokenizer, or that does not lie there as it
// is, is prepared in the cache first.
func Open(ctx context.Context, w Want) (*Corpus, error) {
	if w.Tell == nil {
		w.Tell = func(string, ...any) {}
	}
	if IsAddress(w.Path) {
		path, err := Bring(ctx, w.Path, &w)
		if err != nil {
			return nil, err
		}
		w.Path = path
	}
	if w.Records > 0 {
		return w.records(ctx)
	}
	if w.Path != "" && shards.Is(w.Path) {
		return w.prepared(w.Path)
	}
	t, file, err := w.tokenizer()
	if err != nil {
		return nil, err
	}
	if w.Path == "" || w.Path == StandardLibrary {
		c, err := data.OpenDefault(ctx)
		if err != nil {
			return nil, err
		}
		return w.text(ctx, c, c.Paths(), t, file)
	}
	set, err := documents.Find(w.Path)
	if err != nil && !errors.Is(err, documents.ErrNone) {
		return nil, err
	}
	if err == nil && (file != nil || !set.Plain()) {
		return w.documents(ctx, set, w.Path, t, file)
	}
	c, err := data.Open(w.Path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(w.Path); err == nil && info.Mode().IsRegular() {
		if binary, err := data.BinaryFile(w.Path); err != nil || binary {
			return nil, errors.Join(err, fmt.Errorf("%s is no text, since a NUL stands in its first 8 KiB; pictures and tables: lode data records", w.Path))
		}
	}
	return w.text(ctx, c, nil, t, file)
}

// records opens examples, which lie in files as they are.
func (w *Want) records(ctx context.Context) (*Corpus, error) {
	c, err := data.Open(w.Path)
	if err != nil {
		return nil, err
	}
	ix := w.Index
	if ix == nil {
		if ix, err = c.Index(ctx, w.Piece, nil); err != nil {
			return nil, err
		}
		ix.Width = w.Records
	}
	src, err := data.NewLocal(c, ix)
	return &Corpus{Name: c.Name(), Index: ix, Source: src, BytesPerToken: 1}, err
}

// tokenizer returns the one that is asked for.
func (w *Want) tokenizer() (tokenizer.Tokenizer, []byte, error) {
	if w.File != nil {
		t, err := tokenizer.Parse(w.File)
		return t, w.File, err
	}
	return Tokenizer(w.Tokenizer)
}

// Tokenizer reads the tokenizer at a path; "" and "bytes" are bytes, without a
// file.
func Tokenizer(path string) (tokenizer.Tokenizer, []byte, error) {
	if path == "" || path == protocol.TokenBytes {
		return tokenizer.Bytes{}, nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: %w (lode tokenizer train makes one)", err)
	}
	if info.IsDir() {
		path = filepath.Join(path, shards.TokenizerFile)
		if info, err = os.Stat(path); err != nil {
			return nil, nil, fmt.Errorf("tokenizer: %w", err)
		}
	}
	if info.Size() > protocol.MaxTokenizer {
		return nil, nil, fmt.Errorf("tokenizer: %s has more than %d bytes", path, protocol.MaxTokenizer)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := tokenizer.Parse(b)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return t, b, nil
}

// prepared opens a prepared folder.
func (w *Want) prepared(dir string) (*Corpus, error) {
	f, err := shards.Open(dir)
	if err != nil {
		return nil, err
	}
	c := &Corpus{Name: w.Path, Index: f.Index, Source: f, BytesPerToken: 1, close: f.Close}
	if d := f.Description; d.Tokenizer == protocol.TokenFile && d.Tokens > 0 {
		c.BytesPerToken = float64(d.Text) / float64(d.Tokens)
	}
	if c.Tokenizer, c.File, err = f.Tokenizer(); err == nil {
		err = w.agrees(c)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

// agrees checks what is known of the data beforehand.
func (w *Want) agrees(c *Corpus) error {
	if w.File != nil || w.Tokenizer != "" && w.Tokenizer != protocol.TokenBytes {
		_, file, err := w.tokenizer()
		if err != nil {
			return err
		}
		if c.File == nil || protocol.Sum(file) != c.Vocabulary() {
			return fmt.Errorf("%s was prepared with another tokenizer: name that one, or prepare it again", w.Path)
		}
	}
	if w.Index != nil && w.Index.Digest() != c.Index.Digest() {
		return fmt.Errorf("%s is not the data of this run", w.Path)
	}
	return nil
}

// text opens plain text: as it is for bytes, else prepared.
func (w *Want) text(ctx context.Context, c *data.Corpus, paths []string, t tokenizer.Tokenizer, file []byte) (*Corpus, error) {
	if file != nil {
		set, err := documents.Find(paths...)
		if err != nil {
			return nil, err
		}
		return w.documents(ctx, set, c.Name(), t, file)
	}
	ix, err := w.Index, error(nil)
	switch {
	case ix != nil:
	case c.Bytes() < rememberFrom:
		ix, err = c.Index(ctx, w.Piece, nil)
	default:
		ix, err = w.remembered(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	src, err := data.NewLocal(c, ix)
	return &Corpus{Name: c.Name(), Index: ix, Source: src, Tokenizer: t, BytesPerToken: 1}, err
}

func (w *Want) remembered(ctx context.Context, c *data.Corpus) (*data.Index, error) {
	cache, err := w.cache("indexes")
	if err != nil {
		return nil, err
	}
	var next time.Time
	return c.Remembered(ctx, w.Piece, cache, func(done, total uint64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressEvery)
			w.Tell("reading %s: %d of %d MB", c.Name(), done/1e6, total/1e6)
		}
	})
}

// cache returns a folder of the cache.
func (w *Want) cache(name string) (string, error) {
	dir := w.Cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("folder for what is kept: %w", err)
		}
		dir = filepath.Join(user, "lode")
	}
	return filepath.Join(dir, name), nil
}

// How often who waits hears of progress, and looks whether a lock is free.
const (
	progressEvery = 5 * time.Second
	lockEvery     = 100 * time.Millisecond
)

// documents prepares a set in the cache, if it is not there yet, and opens it.
func (w *Want) documents(ctx context.Context, set *documents.Set, name string, t tokenizer.Tokenizer, file []byte) (*Corpus, error) {
	cache, err := w.cache("prepared")
	if err != nil {
		return nil, err
	}
	job := shards.Job{Set: set, Read: w.Read, Tokenizer: t, File: file, Piece: w.Piece}
	dir := filepath.Join(cache, job.Key().String())
	if _, err := shards.Describe(dir); err != nil {
		if err := w.prepare(ctx, dir, job, name); err != nil {
			return nil, err
		}
	}
	c, err := w.prepared(dir)
	if err != nil {
		return nil, err
	}
	c.Name = name
	return c, nil
}

// prepare prepares a folder of the cache, alone.
func (w *Want) prepare(ctx context.Context, dir string, job shards.Job, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for w.Lock != nil {
		unlock, err := w.Lock(dir)
		if err == nil {
			defer unlock()
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for who prepares the same data: %w", ctx.Err())
		case <-time.After(lockEvery):
		}
	}
	next := time.Now().Add(progressEvery)
	job.Progress = func(p shards.Progress) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressEvery)
			w.Tell("preparing %s: %d of %d files, %.1f million tokens", name, p.Files, p.OfFiles, float64(p.Tokens)/1e6)
		}
	}
	d, err := shards.Prepare(ctx, dir, job)
	if errors.Is(err, data.ErrTooSmall) {
		return fmt.Errorf("%s holds too little text: %w; pictures and tables are made records of by lode data records", name, err)
	}
	if err != nil {
		return err
	}
	w.Tell("prepared %s: %d documents, %.1f million tokens, %d bad files and %d bad records left out; kept in %s",
		name, d.Documents, float64(d.Tokens)/1e6, d.BadFiles, d.BadRecords, dir)
	return nil
}
