package corpora

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lode/checkpoints"
	"lode/data"
	"lode/data/documents"
	"lode/data/shards"
	"lode/data/tokenizer"
	"lode/protocol"
)

const someText = "it was the best of times, it was the worst of times, it was the age of wisdom\n"

// folder writes files and returns their folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// vocabulary writes a small tokenizer and returns its path.
func vocabulary(t *testing.T) string {
	t.Helper()
	c := tokenizer.NewCount()
	c.Add([]byte(strings.Repeat(someText, 10)))
	b, err := c.Train(t.Context(), 280, nil)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder(t, map[string]string{"tokenizer.json": string(b)}), "tokenizer.json")
}

// open opens data with a cache of the test's own; told is how many lines it told.
func open(t *testing.T, w Want) (c *Corpus, told int, err error) {
	t.Helper()
	w.Tell = func(string, ...any) { told++ }
	if c, err = Open(t.Context(), w); err == nil {
		t.Cleanup(c.Close)
		for i := range c.Index.Digests {
			if _, err := c.Source.Piece(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c, told, err
}

// Plain text with bytes is read where it lies; all else is prepared once.
func TestOpen(t *testing.T) {
	cache, vocab := t.TempDir(), vocabulary(t)
	text := strings.Repeat(someText, 400)
	plain := folder(t, map[string]string{"a": text, "b": text})
	lines := folder(t, map[string]string{"a.txt": text, "b.jsonl": fmt.Sprintf("{\"text\":%q}\nbad\n", text)})
	for name, c := range map[string]struct {
		w     Want
		width int
		told  int
	}{
		"text":              {Want{Path: plain}, 1, 0},
		"one file":          {Want{Path: filepath.Join(plain, "a"), Tokenizer: protocol.TokenBytes}, 1, 0},
		"text, tokenizer":   {Want{Path: plain, Tokenizer: vocab}, 2, 1},
		"the folder of one": {Want{Path: plain, Tokenizer: filepath.Dir(vocab)}, 2, 0},
		"records":           {Want{Path: lines}, 1, 1},
	} {
		if name == "the folder of one" {
			continue // after the one whose preparation it finds
		}
		c.w.Cache, c.w.Piece = cache, 1<<10
		first, told, err := open(t, c.w)
		if err != nil || told != c.told || first.Index.Width != c.width || first.Name != c.w.Path || (first.File == nil) != (c.width == 1) {
			t.Fatalf("%s: %v, told %d times, %+v", name, err, told, first)
		}
		if (first.Vocabulary() == protocol.Digest{}) != (first.File == nil) || first.Tokenizer.Size() < 256 || first.BytesPerToken < 1 {
			t.Errorf("%s: %v, %d tokens, %v bytes each", name, first.Vocabulary(), first.Tokenizer.Size(), first.BytesPerToken)
		}
		again, told, err := open(t, c.w)
		if err != nil || told != 0 || again.Index.Digest() != first.Index.Digest() {
			t.Errorf("%s again: %v, told %d times", name, err, told)
		}
		run := c.w // as a node of the run opens it
		run.Tokenizer, run.File, run.Index = "", first.File, first.Index
		if node, _, err := open(t, run); err != nil || node.Index.Digest() != first.Index.Digest() {
			t.Errorf("%s for a node: %v", name, err)
		}
		other := *first.Index
		other.Digests = append([]protocol.Digest{{1}}, other.Digests[1:]...)
		run.Index = &other
		node, err := Open(t.Context(), run)
		if err == nil { // bytes are compared when they are read
			_, err = node.Source.Piece(t.Context(), 0)
		}
		if err == nil {
			t.Errorf("%s: the data of another run was taken", name)
		}
	}
	if _, told, err := open(t, Want{Path: plain, Tokenizer: filepath.Dir(vocab), Cache: cache, Piece: 1 << 10}); err != nil || told != 0 {
		t.Errorf("the same tokenizer by its folder: %v, told %d times", err, told)
	}
}

// Prepared data brings its tokenizer and its pieces.
func TestOpenPrepared(t *testing.T) {
	vocab := vocabulary(t)
	set, err := documents.Find(folder(t, map[string]string{"a": strings.Repeat(someText, 400)}))
	if err != nil {
		t.Fatal(err)
	}
	tok, file, err := Tokenizer(vocab)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "prepared")
	if _, err := shards.Prepare(t.Context(), dir, shards.Job{Set: set, Tokenizer: tok, File: file, Piece: 512}); err != nil {
		t.Fatal(err)
	}
	for _, tokenizer := range []string{"", protocol.TokenBytes, vocab} {
		c, told, err := open(t, Want{Path: dir, Tokenizer: tokenizer, Piece: 16 << 10})
		if err != nil || told != 0 || c.Index.Piece != 512 || !bytes.Equal(c.File, file) {
			t.Errorf("%q: %v, told %d times", tokenizer, err, told)
		}
	}
	other := tokenizer.NewCount()
	other.Add([]byte(strings.Repeat("quite other words ", 20)))
	b, err := other.Train(t.Context(), 270, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t, Want{Path: dir, File: b}); err == nil || !strings.Contains(err.Error(), "another tokenizer") {
		t.Errorf("another tokenizer: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	text := folder(t, map[string]string{"a": strings.Repeat(someText, 400), "no.json": "{}"})
	for name, c := range map[string]struct {
		w    Want
		is   error
		want string
	}{
		"nothing there":   {Want{Path: filepath.Join(text, "none")}, os.ErrNotExist, "none"},
		"an empty folder": {Want{Path: t.TempDir()}, data.ErrNoCorpus, "holds no text"},
		"no tokenizer":    {Want{Path: text, Tokenizer: "/nowhere"}, os.ErrNotExist, "lode tokenizer train makes one"},
		"none in there":   {Want{Path: text, Tokenizer: t.TempDir()}, os.ErrNotExist, "tokenizer.json"},
		"bad tokenizer":   {Want{Path: text, Tokenizer: filepath.Join(text, "no.json")}, tokenizer.ErrFile, "vocabulary is empty"},
		"too small":       {Want{Path: text, Piece: 1 << 20}, data.ErrTooSmall, "too small"},
	} {
		c.w.Cache = t.TempDir()
		if _, _, err := open(t, c.w); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Two who need the same data prepare it once.
func TestPreparedOnceByTwo(t *testing.T) {
	dir := folder(t, map[string]string{"a.jsonl": strings.Repeat("{\"text\":\"some words of it\"}\n", 5000)})
	cache := t.TempDir()
	var mu sync.Mutex
	locked := map[string]bool{}
	lock := func(dir string) (func(), error) {
		mu.Lock()
		defer mu.Unlock()
		if locked[dir] {
			return nil, errors.New("taken")
		}
		locked[dir] = true
		return func() {
			mu.Lock()
			defer mu.Unlock()
			locked[dir] = false
		}, nil
	}
	results := make(chan error, 4)
	for range cap(results) {
		go func() { // ends with its Open
			c, err := Open(context.Background(), Want{Path: dir, Piece: 512, Cache: cache, Lock: lock})
			if err == nil {
				c.Close()
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// web serves a file, and cuts each answer after some bytes.
type web struct {
	content []byte
	cut     int // 0: never
	ranges  int // requests from another byte than the first
}

func (s *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/corpus.txt") {
		http.NotFound(w, r)
		return
	}
	if h := r.Header.Get("Range"); h != "" && h != "bytes=0-" {
		s.ranges++
	}
	if s.cut > 0 {
		w = &cutter{w, s.cut}
	}
	http.ServeContent(w, r, "corpus.txt", time.Time{}, bytes.NewReader(s.content))
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.left < len(b) {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

// What is fetched is kept, goes on where it was cut, and is compared with its
// digest.
func TestBring(t *testing.T) {
	content := []byte(strings.Repeat(someText, 3000))
	site := &web{content: content}
	server := httptest.NewServer(site)
	defer server.Close()
	sum := sha256.Sum256(content)
	cache := t.TempDir()
	w := Want{Cache: cache, Piece: 1 << 10, Store: checkpoints.Options{RetryFor: -1}}

	site.cut = 50_000
	w.Path = server.URL + "/x/corpus.txt"
	c, told, err := open(t, w)
	if err != nil || told != 1 || c.Index.Bytes != uint64(len(content)) || site.ranges < 4 {
		t.Fatalf("%v, told %d times, %d requests went on", err, told, site.ranges)
	}
	site.content = []byte("gone")
	if again, told, err := open(t, w); err != nil || told != 0 || again.Index.Digest() != c.Index.Digest() {
		t.Errorf("from the cache: %v, told %d times", err, told)
	}
	site.content, site.cut = content, 0
	w.Path = server.URL + "/y/corpus.txt#sha256=" + hex.EncodeToString(sum[:])
	if _, _, err := open(t, w); err != nil {
		t.Error(err)
	}
	if b, err := filepath.Glob(filepath.Join(cache, "fetched", "*", recordFile)); err != nil || len(b) != 2 {
		t.Errorf("records: %v, %v", b, err)
	} else if text, err := os.ReadFile(b[0]); err != nil || !strings.Contains(string(text), hex.EncodeToString(sum[:])) {
		t.Errorf("the record is %s, %v", text, err)
	}
	for path, want := range map[string]string{
		"/z/corpus.txt#sha256=" + strings.Repeat("00", 32): "another SHA-256",
		"/z/corpus.txt#sha256=abc":                         "64 hex digits",
		"/z/corpus.txt#md5=" + strings.Repeat("00", 32):    "64 hex digits",
		"/z/other.txt": "not exist",
		"/z/a%20b":     "holds more than letters",
		"/":            "names no file",
	} {
		w.Path = server.URL + path
		if _, _, err := open(t, w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// A part of another file that lies in the cache is not built upon.
func TestBringStartsAnew(t *testing.T) {
	content := []byte(strings.Repeat(someText, 100))
	server := httptest.NewServer(&web{content: content})
	defer server.Close()
	w := Want{Cache: t.TempDir(), Piece: 512, Store: checkpoints.Options{RetryFor: -1}, Path: server.URL + "/corpus.txt"}
	part := filepath.Join(w.Cache, "fetched", protocol.Hash("fetched", []byte(w.Path)).String(), "files", "corpus.txt.part")
	if err := errors.Join(os.MkdirAll(filepath.Dir(part), 0o755), os.WriteFile(part, make([]byte, len(content)+1), 0o644)); err != nil {
		t.Fatal(err)
	}
	if c, _, err := open(t, w); err != nil || c.Index.Bytes != uint64(len(content)) {
		t.Error(err)
	}
}
