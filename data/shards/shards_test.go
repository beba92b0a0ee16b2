package shards

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lode/data"
	"lode/data/documents"
	"lode/data/tokenizer"
	"lode/protocol"
)

// corpus writes some documents and returns their folder.
func corpus(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 8_000 {
		fmt.Fprintf(&lines, "{\"text\":\"line %d of many\\n%s\"}\n", i, strings.Repeat("the end, ", 25))
		if i%100 == 50 {
			lines.WriteString("bad\n")
		}
	}
	for name, text := range map[string]string{
		"a.txt": strings.Repeat("it was the best of times, it was the worst of times\n", 25_000), "b.jsonl": lines.String(), "c.txt": "", "d.txt": "short",
		"e.txt.gz": "broken",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bpe returns a small tokenizer and its file.
func bpe(t testing.TB) (tokenizer.Tokenizer, []byte) {
	t.Helper()
	b, err := os.ReadFile("../tokenizer/testdata/gpt2.json")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return tok, b
}

// job returns what the tests prepare: pieces of 4 KiB, files of 64 KiB.
func job(t testing.TB, dir string) Job {
	t.Helper()
	set, err := documents.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	tok, file := bpe(t)
	return Job{Set: set, Tokenizer: tok, File: file, Piece: 4 << 10, Shard: 65<<10 + 5, save: 100_000}
}

// content returns the files of a folder that may not depend on how it was made.
func content(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != stateFile {
			all[e.Name()] = string(b)
		}
	}
	return all
}

func prepared(t testing.TB, j Job) (string, *Description) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "prepared")
	d, err := Prepare(t.Context(), dir, j)
	if err != nil {
		t.Fatal(err)
	}
	return dir, d
}

func open(t testing.TB, dir string) *Folder {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func TestPreparedTokensAreThoseOfTheDocuments(t *testing.T) {
	from := corpus(t)
	j := job(t, from)
	dir, d := prepared(t, j)
	if d.Documents != 8_002 || d.BadRecords != 80 || d.BadFiles != 1 || d.Width != 2 || d.Vocab != 800 || d.Files() < 5 {
		t.Errorf("%+v", d)
	}
	var want []byte
	_, err := j.Set.Read(t.Context(), documents.Options{}, documents.Position{}, documents.Tally{}, func(b *documents.Batch) error {
		out, err := j.encode(b)
		want = append(want, out...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want = want[2:] // no token stands in front of the first document
	f := open(t, dir)
	var got []byte
	for i := range f.Index.Digests {
		b, err := f.Piece(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
	}
	if uint64(len(want)) != d.Bytes() || !bytes.Equal(got, want[:len(got)]) || len(want)-len(got) >= 4<<10 {
		t.Errorf("%d bytes in pieces of %d, want %d", len(got), d.Bytes(), len(want))
	}
	if bad, err := f.Check(t.Context(), 2, func(int, int) {}); len(bad) > 0 || err != nil {
		t.Errorf("%v, %v", bad, err)
	}
	tok, file, err := f.Tokenizer()
	if err != nil || tok.Size() != 800 || !bytes.Equal(file, j.File) {
		t.Errorf("its tokenizer: %v", err)
	}
	if _, err := Prepare(t.Context(), dir, j); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// Text prepared as bytes is the corpus that package data makes of the same files.
func TestBytesAreTheCorpus(t *testing.T) {
	from := t.TempDir()
	for name, text := range map[string]string{"b": "second\n", "a": strings.Repeat("first ", 500), "c": "", "d/e": strings.Repeat("last", 400)} {
		if err := errors.Join(os.MkdirAll(filepath.Join(from, "d"), 0o755), os.WriteFile(filepath.Join(from, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := data.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Index(t.Context(), 1<<10, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := documents.Find(from)
	if err != nil {
		t.Fatal(err)
	}
	dir, d := prepared(t, Job{Set: set, Tokenizer: tokenizer.Bytes{}, Piece: 1 << 10})
	if f := open(t, dir); f.Index.Digest() != want.Digest() || d.Tokenizer != protocol.TokenBytes || d.Width != 1 {
		t.Errorf("index %+v, want %+v", f.Index, want)
	}
}

// However often it is stopped, and on however many cores it runs, the same bytes
// come out.
func TestStoppedAndGoneOnWith(t *testing.T) {
	from := corpus(t)
	whole, d := prepared(t, job(t, from))
	want := content(t, whole)
	for _, workers := range []int{1, 3} {
		dir := filepath.Join(t.TempDir(), "prepared")
		var last uint64
		stops := 0
		for {
			ctx, cancel := context.WithCancel(t.Context())
			j := job(t, from)
			j.Workers = workers
			j.Progress = func(p Progress) {
				if p.Tokens > last {
					last = p.Tokens
					cancel()
				}
			}
			got, err := Prepare(ctx, dir, j)
			cancel()
			if err == nil {
				if *got != *d {
					t.Errorf("%+v, want %+v", got, d)
				}
				break
			}
			if stops++; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "run the same lode data prepare again") {
				t.Fatalf("opened before it was whole: %v", err)
			}
			litter(t, dir)
		}
		if stops < 4 {
			t.Errorf("stopped %d times only", stops)
		}
		if got := content(t, dir); !reflect.DeepEqual(got, want) {
			t.Errorf("%d workers, %d stops: other bytes", workers, stops)
		}
	}
}

// litter leaves what a crash may: bytes behind those that count.
func litter(t testing.TB, dir string) {
	t.Helper()
	for _, pattern := range []string{"tokens-*.bin", digestsFile} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			continue
		}
		f, err := os.OpenFile(slices.Max(names), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("litter of a crash"); errors.Join(err, f.Close()) != nil {
			t.Fatal(err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	from := corpus(t)
	dir, _ := prepared(t, job(t, from))
	for name, c := range map[string]struct {
		change func(*Job)
		dir    string
		want   string
	}{
		"other options":  {func(j *Job) { j.Piece = 8 << 10 }, dir, "holds other data"},
		"other field":    {func(j *Job) { j.Read.Field = "body" }, dir, "holds other data"},
		"odd piece":      {func(j *Job) { j.Piece = 1001 }, t.TempDir(), "whole tokens of 2"},
		"small piece":    {func(j *Job) { j.Piece = 32 }, t.TempDir(), "pieces of 32 bytes"},
		"short file":     {func(j *Job) { j.Shard = 100 }, t.TempDir(), "shorter than a piece"},
		"too little":     {func(j *Job) { j.Piece, j.Shard = 8<<20, 8<<20 }, t.TempDir(), "corpus is too small"},
		"refused later":  {func(j *Job) { j.Read.Refuse = true }, dir, "without 1 bad files and 80 bad records"},
		"refused faults": {func(j *Job) { j.Read.Refuse = true }, t.TempDir(), "b.jsonl: record 52: is no JSON object"},
	} {
		j := job(t, from)
		c.change(&j)
		if _, err := Prepare(t.Context(), c.dir, j); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(from, "d.txt"), []byte("longer now"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(t.Context(), dir, job(t, from)); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("a changed document: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, stateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(t.Context(), dir, job(t, from)); err == nil || !strings.Contains(err.Error(), "name another folder") {
		t.Errorf("somebody else's folder: %v", err)
	}
}

// spoil changes a file of a folder.
func spoil(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	from := corpus(t)
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, c := range map[string]struct {
		file   string
		change func([]byte) []byte
		want   string
	}{
		"description":    {DescriptionFile, func([]byte) []byte { return []byte("{") }, "unexpected EOF"},
		"index":          {indexFile, flip, "is not the one that lode-data.json names"},
		"a file shorter": {shardName(1), func(b []byte) []byte { return b[1:] }, "it had"},
		"a file longer":  {shardName(0), func(b []byte) []byte { return append(b, 0) }, "it had"},
	} {
		dir, _ := prepared(t, job(t, from))
		spoil(t, filepath.Join(dir, c.file), c.change)
		if _, err := Open(dir); !errors.Is(err, ErrFolder) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	dir, _ := prepared(t, job(t, from))
	spoil(t, filepath.Join(dir, TokenizerFile), flip)
	if _, _, err := open(t, dir).Tokenizer(); !errors.Is(err, ErrFolder) {
		t.Errorf("another tokenizer: %v", err)
	}
}

// What changes while a folder is in use is found where it is read, also a file that
// has become shorter under its mapping.
func TestChangesAreFound(t *testing.T) {
	dir, _ := prepared(t, job(t, corpus(t)))
	f := open(t, dir)
	file, err := os.OpenFile(filepath.Join(dir, shardName(0)), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte{0xff, 0x00}, 5000); err != nil {
		t.Fatal(err)
	}
	last := (65<<10)/(4<<10) - 1
	if err := os.Truncate(filepath.Join(dir, shardName(1)), 100); err != nil {
		t.Fatal(err)
	}
	bad, err := f.Check(t.Context(), 3, func(int, int) {})
	want := []int{1}
	for i := last + 1; i < 2*(last+1); i++ {
		want = append(want, i)
	}
	if err != nil || !slices.Equal(bad, want) {
		t.Errorf("bad pieces %v, want %v, %v", bad, want, err)
	}
	for _, i := range []int{-1, len(f.Index.Digests)} {
		if _, err := f.Piece(t.Context(), i); err == nil {
			t.Errorf("piece %d was handed out", i)
		}
	}
}

func goodDescription() Description {
	return Description{
		Format: Format, Tokenizer: protocol.TokenFile, Vocabulary: protocol.Digest{1}, Vocab: 800, Width: 2,
		Tokens: 10_000, Piece: 4096, Shard: 65536, Index: protocol.Digest{2},
	}
}

func TestDescriptionRefuses(t *testing.T) {
	for name, change := range map[string]func(*Description){
		"format":    func(d *Description) { d.Format = 2 },
		"tokenizer": func(d *Description) { d.Tokenizer = "words" },
		"no file":   func(d *Description) { d.Vocabulary = protocol.Digest{} },
		"a file":    func(d *Description) { d.Tokenizer = protocol.TokenBytes },
		"width":     func(d *Description) { d.Width = 3 },
		"vocab":     func(d *Description) { d.Vocab = 0 },
		"piece":     func(d *Description) { d.Piece = 0 },
		"odd piece": func(d *Description) { d.Piece = 4097 },
		"tokens":    func(d *Description) { d.Tokens = 1 << 60 },
		"shard":     func(d *Description) { d.Shard = 0 },
		"odd shard": func(d *Description) { d.Shard = 65537 },
		"files":     func(d *Description) { d.Tokens = 1 << 40 },
	} {
		d := goodDescription()
		change(&d)
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseDescription(b); !errors.Is(err, ErrFolder) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzDescription(f *testing.F) {
	b, err := json.Marshal(goodDescription())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDescription(b)
		if err != nil {
			if !errors.Is(err, ErrFolder) {
				t.Fatal(err)
			}
			return
		}
		if d.Files() > maxFiles || d.Piece%d.Width != 0 || d.Shard%uint64(d.Piece) != 0 {
			t.Fatalf("%+v", d)
		}
	})
}
