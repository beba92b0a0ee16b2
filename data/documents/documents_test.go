package documents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lode/data"
)

func pack(t testing.TB, p packing, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	switch p {
	case gzipped:
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
	case zstandard:
		w, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(b)
		_ = w.Close()
	}
	return out.Bytes()
}

// folder writes files and returns their folder.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// table returns a Parquet file of testdata.
func table(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// all reads a set: its documents, put together again, and its faults.
func all(t testing.TB, s *Set, opt Options) (docs []string, faults []string, tally Tally, err error) {
	t.Helper()
	opt.Tell = func(f Fault) {
		faults = append(faults, strings.TrimPrefix(f.Error(), filepath.Dir(f.Path)+"/"))
	}
	tally, err = s.Read(t.Context(), opt, Position{}, Tally{}, func(b *Batch) error {
		for _, p := range b.Parts {
			if len(p.Text) == 0 || len(p.Text) > MaxPart {
				t.Errorf("a part of %d bytes", len(p.Text))
			}
			if p.First {
				docs = append(docs, "")
			}
			docs[len(docs)-1] += string(p.Text)
		}
		return nil
	})
	return docs, faults, tally, err
}

func find(t testing.TB, paths ...string) *Set {
	t.Helper()
	s, err := Find(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const records = "\ufeff{\"text\":\"one\",\"id\":1}\n\n{\"id\":2,\"text\":\"two\\nlines\"}\r\n{\"text\":\"\"}\n{\"text\":\"vier \\u2603\"}"

func TestFormatsMixedInAFolder(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"a.txt": []byte("plain"), "b/c.jsonl": []byte(records), "b/d.JSONL.GZ": pack(t, gzipped, []byte(records)),
		"b/e.ndjson.zst": pack(t, zstandard, []byte(records)), "b/f.txt.gz": pack(t, gzipped, []byte("packed")),
		"g.md.zstd": pack(t, zstandard, []byte("dense")), "h.parquet": table(t, "dict"), "i.pq.gz": pack(t, gzipped, table(t, "large")),
		"empty.txt": nil, "j.txt.gz": append(pack(t, gzipped, []byte("two ")), pack(t, gzipped, []byte("members"))...),
		".hidden": []byte("no"), ".git/x": []byte("no"),
	})
	s := find(t, dir)
	docs, faults, tally, err := all(t, s, Options{})
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	rec := []string{"one", "two\nlines", "vier ☃"}
	want := slices.Concat([]string{"plain"}, rec, rec, rec, []string{"packed", "dense"},
		slices.Repeat([]string{"x"}, 1000), slices.Repeat([]string{strings.Repeat("y", 100)}, 10), []string{"x", "y", "two members"})
	if !slices.Equal(docs, want) {
		t.Errorf("got %d documents %.300q", len(docs), docs)
	}
	if tally != (Tally{Documents: int64(len(want)), Bytes: int64(len(strings.Join(want, "")))}) || s.Skipped != 2 || s.Plain() {
		t.Errorf("%+v, %d skipped", tally, s.Skipped)
	}
}

func TestTables(t *testing.T) {
	for _, name := range []string{"none", "snappy", "gzip", "zstd", "brotli", "lz4"} {
		docs, faults, _, err := all(t, find(t, filepath.Join("testdata", name+".parquet")), Options{})
		if err != nil || !slices.Equal(docs, []string{"one", "two\nlines", "four ☃"}) || len(faults) != 1 || faults[0] != name+".parquet: record 3: has no text" {
			t.Errorf("%s: got %q, %q, %v", name, docs, faults, err)
		}
	}
	if docs, faults, _, _ := all(t, find(t, "testdata/nested.parquet"), Options{Field: "doc.text"}); len(faults) > 0 || !slices.Equal(docs, []string{"nested"}) {
		t.Errorf("nested: got %q, %q", docs, faults)
	}
	for name, want := range map[string]string{
		"list":   `has no column "text"; it has text.list.element; name another one with --field`,
		"nested": `has no column "text"; it has doc.text`,
	} {
		if _, faults, _, _ := all(t, find(t, "testdata/"+name+".parquet"), Options{}); len(faults) != 1 || !strings.Contains(faults[0], want) {
			t.Errorf("%s: got %q", name, faults)
		}
	}
	for field, want := range map[string]string{"n": "is no text", "text.list.element": "is no text"} {
		name := map[string]string{"n": "none", "text.list.element": "list"}[field]
		if _, faults, _, _ := all(t, find(t, "testdata/"+name+".parquet"), Options{Field: field}); len(faults) != 1 || !strings.Contains(faults[0], want) {
			t.Errorf("%s: got %q", field, faults)
		}
	}
}

// Bad files and records are named and left out, or end reading.
func TestFaults(t *testing.T) {
	zeros := make([]byte, 40<<20)
	cutZst := pack(t, zstandard, bytes.Repeat([]byte("all of this is well. "), 1000))
	for name, c := range map[string]struct {
		b    []byte
		docs int // that are read all the same
		want string
	}{
		"a.txt":       {[]byte("x\x00y"), 0, "a.txt: is no text"},
		"b.gz":        {[]byte("no gzip at all"), 0, "b.gz: gzip: invalid header"},
		"c.zst":       {[]byte("no zstd at all"), 0, "c.zst: invalid input: magic"},
		"d.jsonl.gz":  {pack(t, gzipped, []byte(records))[:40], 1, "d.jsonl.gz: unexpected EOF"},
		"e.txt.zst":   {cutZst[:len(cutZst)-8], 0, "e.txt.zst: unexpected EOF"},
		"f.jsonl.gz":  {pack(t, gzipped, zeros), 0, "f.jsonl.gz: unpacks to more than 200 times its size"},
		"g.jsonl.zst": {pack(t, zstandard, zeros), 0, "g.jsonl.zst: unpacks to more than 200 times its size"},
		"h.parquet":   {[]byte("PAR1 and no more"), 0, "h.parquet: "},
		"i.parquet":   {table(t, "zstd")[:1000], 0, "i.parquet: "},
		"j.jsonl":     {[]byte("{\"text\":\"fine\"}\n[1]\n{\"text\":\"fine\"}"), 2, "j.jsonl: record 2: is no JSON object"},
		"k.jsonl":     {[]byte("{\"text\":1}\n{\"text\":\"fine\"}"), 1, "k.jsonl: record 1: field \"text\" is no text"},
		"l.jsonl":     {[]byte("{\"text\":null}\n"), 0, "l.jsonl: record 1: field \"text\" is no text"},
		"m.jsonl":     {[]byte("{\"body\":\"x\"}\n"), 0, "m.jsonl: record 1: has no such field: \"text\""},
		"n.jsonl":     {[]byte("{\"text\":\"" + strings.Repeat("x", MaxRecord) + "\"}\n{\"text\":\"fine\"}"), 1, "n.jsonl: record 1: is longer than"},
		"o.jsonl":     {[]byte("{\"text\":\"\xff\"}\n{\"text\":\"half"), 1, "o.jsonl: record 2: is no JSON object"},
	} {
		dir := folder(t, map[string][]byte{name: c.b, "z.txt": []byte("good")})
		docs, faults, tally, err := all(t, find(t, dir), Options{})
		if err != nil || len(docs) != c.docs+1 || docs[c.docs] != "good" || len(faults) != 1 || !strings.HasPrefix(faults[0], c.want) {
			t.Errorf("%s: got %.100q, %q, %v", name, docs, faults, err)
		}
		if tally.BadFiles+tally.BadRecords != 1 || (tally.BadRecords == 1) != strings.Contains(c.want, "record") {
			t.Errorf("%s: %+v", name, tally)
		}
		_, _, _, err = all(t, find(t, dir), Options{Refuse: true})
		var f Fault
		if !errors.As(err, &f) || filepath.Base(f.Path) != name || errors.Unwrap(f) == nil {
			t.Errorf("%s: refused with %v", name, err)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	empty := t.TempDir()
	if _, err := Find(empty); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	links := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(links, "data.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(links); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "left out were 1 that are hidden, links or devices") {
		t.Error(err)
	}
	if _, err := Find(filepath.Join(empty, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Find(os.DevNull); err == nil {
		t.Error("a device was taken for a file")
	}
}

// Long documents come in parts that are cut at lines, else at spaces, else between
// characters.
func TestLongDocuments(t *testing.T) {
	lines := strings.Repeat("forty-two bytes in each of these lines...\n", 60_000)
	spaces := strings.Repeat("word ", 500_000)
	solid := strings.Repeat("漢", 900_000)
	dir := folder(t, map[string][]byte{
		"a": []byte(lines), "b": []byte(spaces), "c": []byte(solid), "d": bytes.Repeat([]byte("x"), MaxPart),
		"e.jsonl": []byte(`{"text":"` + strings.Repeat("word ", 300_000) + `"}`),
	})
	s := find(t, dir)
	docs, _, _, err := all(t, s, Options{})
	if err != nil || len(docs) != 5 || docs[0] != lines || docs[1] != spaces || docs[2] != solid || len(docs[3]) != MaxPart || len(docs[4]) != 1_500_000 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	_, err = s.Read(t.Context(), Options{}, Position{}, Tally{}, func(b *Batch) error {
		for _, p := range b.Parts {
			if p.First {
				continue
			}
			if c := p.Text[0]; c != 'f' && c != ' ' && c != "漢"[0] && c != 'x' {
				t.Errorf("a part begins with %q", p.Text[:10])
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Reading from any place on gives what is left, and the same tally.
func TestReadingGoesOnAnywhere(t *testing.T) {
	var lines strings.Builder
	for i := range 3000 {
		if i%7 == 3 {
			lines.WriteString("{bad\n")
		}
		fmt.Fprintf(&lines, "{\"text\":\"%s\"}\n", strings.Repeat("w", 300+i%50))
	}
	dir := folder(t, map[string][]byte{
		"a.jsonl.gz": pack(t, gzipped, []byte(lines.String())), "b.txt": bytes.Repeat([]byte("line of text\n"), 200_000), "c.gz": []byte("bad"),
		"d.jsonl": []byte(lines.String()), "e.parquet": table(t, "zstd"),
	})
	s := find(t, dir)
	var batches []*Batch
	whole, err := s.Read(t.Context(), Options{}, Position{}, Tally{}, func(b *Batch) error {
		batches = append(batches, b)
		return nil
	})
	if err != nil || len(batches) < 8 || whole.BadRecords < 800 || whole.BadFiles != 1 {
		t.Fatalf("%d batches, %+v, %v", len(batches), whole, err)
	}
	for i, from := range batches {
		var rest []Part
		tally, err := s.Read(t.Context(), Options{}, from.Next, from.Tally, func(b *Batch) error {
			rest = append(rest, b.Parts...)
			return nil
		})
		var want []Part
		for _, b := range batches[i+1:] {
			want = append(want, b.Parts...)
		}
		if err != nil || tally != whole || !reflect.DeepEqual(rest, want) {
			t.Errorf("from batch %d on: %+v, want %+v, %v", i, tally, whole, err)
		}
	}
}

// Each collects in order, whoever is faster, and ends with the first error.
func TestEach(t *testing.T) {
	read := func(_ context.Context, each func(*Batch) error) error {
		for i := range 200 {
			if err := each(&Batch{Next: Position{Part: i}}); err != nil {
				return err
			}
		}
		return nil
	}
	work := func(b *Batch) (int, error) {
		n := 0
		for range rand.IntN(100_000) {
			n++
		}
		return b.Next.Part, nil
	}
	var got []int
	err := Each(t.Context(), 4, read, work, func(_ *Batch, i int) error {
		got = append(got, i)
		return nil
	})
	if err != nil || len(got) != 200 || !slices.IsSorted(got) {
		t.Errorf("%v, %v", got, err)
	}
	boom := errors.New("boom")
	for name, err := range map[string]error{
		"read": Each(t.Context(), 2, func(context.Context, func(*Batch) error) error { return boom }, work, func(*Batch, int) error { return nil }),
		"work": Each(t.Context(), 2, read, func(*Batch) (int, error) { return 0, boom }, func(*Batch, int) error { return nil }),
		"take": Each(t.Context(), 2, read, work, func(*Batch, int) error { return boom }),
	} {
		if !errors.Is(err, boom) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = Each(ctx, 2, read, work, func(*Batch, int) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// FuzzRead: whatever a file holds, reading ends, in bounds.
func FuzzRead(f *testing.F) {
	names := []string{"x.txt", "x.jsonl", "x.jsonl.gz", "x.txt.zst", "x.parquet"}
	f.Add(1, []byte(records))
	f.Add(2, pack(f, gzipped, []byte(records)))
	f.Add(3, pack(f, zstandard, []byte("text")))
	f.Add(4, table(f, "zstd"))
	f.Add(4, table(f, "dict"))
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		name := names[uint(i)%uint(len(names))]
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		docs, faults, tally, err := all(t, find(t, path), Options{})
		if err != nil || int64(len(docs)) != tally.Documents || int64(len(faults)) != tally.BadFiles+tally.BadRecords {
			t.Fatalf("%d documents, %q, %+v, %v", len(docs), faults, tally, err)
		}
		if tally.Bytes > data.MaxRatio*int64(len(b))+data.RatioSlack && name != "x.parquet" {
			t.Fatalf("%d bytes of %d", tally.Bytes, len(b))
		}
	})
}
