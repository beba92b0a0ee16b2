package data

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"lode/protocol"
)

// write makes files below a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func whole(t *testing.T, c *Corpus) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(c, 0, int64(c.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOpenFolder(t *testing.T) {
	dir := write(t, map[string]string{
		"b.txt":       "bee",
		"a/z.txt":     "zed\n",
		"a.txt":       "ay",
		"a/deep/x":    "ex",
		"empty":       "",
		"picture.bin": "text\x00text",
		"late.txt":    strings.Repeat("x", binaryLook) + "\x00",
		".git/config": "hidden",
		".hidden":     "hidden",
	})
	if err := os.Symlink(filepath.Join(dir, "b.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	// "a.txt" sorts before "a/…" because '.' is below '/'.
	want := strings.Join([]string{"ay", "ex", "zed\n", "bee", strings.Repeat("x", binaryLook) + "\x00"}, "\n")
	if got := whole(t, c); got != want {
		t.Errorf("got %.40q, want %.40q", got, want)
	}
	if c.Files() != 5 || c.Skipped() != 5 { // picture.bin, .git, .hidden, link.txt, loop
		t.Errorf("%d files and %d skipped, want 5 and 5", c.Files(), c.Skipped())
	}
}

func TestOpenFollowsTheLinkItWasGiven(t *testing.T) {
	dir := write(t, map[string]string{"real/a": "text"})
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "real"), link); err != nil {
		t.Fatal(err)
	}
	c, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	if got := whole(t, c); got != "text" {
		t.Errorf("got %q", got)
	}
}

func TestReadAtMeetsItsContract(t *testing.T) {
	dir := write(t, map[string]string{"1": "abc", "2": "d", "3": "", "4": "\n\nefghij"})
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "abc\nd\n\n\nefghij"
	for off := 0; off <= len(want)+1; off++ {
		for n := 0; n <= len(want)+1; n++ {
			p := make([]byte, n)
			m, err := c.ReadAt(p, int64(off))
			rest := want[min(off, len(want)):]
			if string(p[:m]) != rest[:min(n, len(rest))] || (m < n) != (err == io.EOF) {
				t.Fatalf("%d bytes at %d: got %q and %v", n, off, p[:m], err)
			}
		}
	}
	if _, err := c.ReadAt(nil, -1); err == nil {
		t.Error("a negative offset was read")
	}
	if err := iotest.TestReader(io.NewSectionReader(c, 0, int64(c.Bytes())), []byte(want)); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWithAdvice(t *testing.T) {
	dir := write(t, map[string]string{"empty": "", "hollow/.x": "hidden", "binary/b": "\x00"})
	for name, c := range map[string]struct {
		path string
		is   error
		says string
	}{
		"missing":     {filepath.Join(dir, "nowhere"), os.ErrNotExist, "nowhere"},
		"empty file":  {filepath.Join(dir, "empty"), ErrNoCorpus, "--data"},
		"only hidden": {filepath.Join(dir, "hollow"), ErrNoCorpus, "--data"},
		"only binary": {filepath.Join(dir, "binary"), ErrNoCorpus, "--data"},
		"device":      {os.DevNull, nil, "neither a file nor a folder"},
	} {
		_, err := Open(c.path)
		if err == nil || !strings.Contains(err.Error(), c.says) || (c.is != nil && !errors.Is(err, c.is)) {
			t.Errorf("%s: got %v, want %v saying %q", name, err, c.is, c.says)
		}
	}
}

func TestDefaultCorpus(t *testing.T) {
	root := write(t, map[string]string{
		"src/b/b.go":              "package b",
		"src/a/a.go":              "package a",
		"src/a/a_test.go":         "no",
		"src/a/testdata/x.go":     "no",
		"src/a/data/testdata2.go": "package data",
		"src/a/a.s":               "no",
		"src/cmd/c/c.go":          "no",
		"src/vendor/v/v.go":       "no",
		"src/d/vendor/v.go":       "package v",
		"VERSION":                 "no",
	})
	t.Setenv("GOROOT", root)
	c, err := OpenDefault(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := whole(t, c), "package a\npackage data\npackage b\npackage v"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDefaultCorpusIsCapped(t *testing.T) {
	half := strings.Repeat("x", defaultCap/2)
	root := write(t, map[string]string{"src/a.go": half, "src/b.go": half[1:], "src/c.go": "small"})
	c, err := openGo(root)
	if err != nil {
		t.Fatal(err)
	}
	if c.Bytes() != defaultCap || c.Files() != 2 {
		t.Errorf("%d bytes of %d files, want exactly the cap of 2", c.Bytes(), c.Files())
	}
	if err := os.WriteFile(filepath.Join(root, "src", "b.go"), []byte(half), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err = openGo(root); err != nil || c.Files() != 1 {
		t.Errorf("one byte over the cap: %d files and %v; the corpus must end before the file that is over", c.Files(), err)
	}
}

func TestDefaultCorpusOfThisMachine(t *testing.T) {
	t.Setenv("GOROOT", "")
	c, err := OpenDefault(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Bytes() < 8<<20 || c.Bytes() > defaultCap {
		t.Errorf("the standard library gave %d bytes", c.Bytes())
	}
	p := make([]byte, 2000)
	if _, err := c.ReadAt(p, 0); err != nil || !bytes.Contains(p, []byte("package ")) {
		t.Errorf("it begins with %.60q (%v)", p, err)
	}
}

func TestNoGoNamesTheWayOut(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("PATH", empty)
	for name, root := range map[string]string{"nothing at all": "", "folder without sources": empty} {
		t.Setenv("GOROOT", root)
		_, err := OpenDefault(context.Background())
		if !errors.Is(err, ErrNoCorpus) || !strings.Contains(err.Error(), "GOROOT") || !strings.Contains(err.Error(), "--data") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(empty, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := openGo(empty); !errors.Is(err, ErrNoCorpus) {
		t.Errorf("empty src: got %v", err)
	}
}

func TestIndexOfCorpus(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 4) + strings.Repeat("x", 64) + "tail"
	c, err := Open(filepath.Join(write(t, map[string]string{"f": text}), "f"))
	if err != nil {
		t.Fatal(err)
	}
	var calls []uint64
	ix, err := c.Index(context.Background(), 64, func(done, total uint64) { calls = append(calls, done, total) })
	if err != nil {
		t.Fatal(err)
	}
	if len(ix.Digests) != 2 || ix.Bytes != 132 || ix.Piece != 64 ||
		ix.Digests[0] != protocol.Sum([]byte(text[:64])) || ix.Digests[1] != protocol.Sum([]byte(text[64:128])) {
		t.Errorf("got %+v", ix)
	}
	if len(calls) != 4 || calls[0] != 64 || calls[2] != 128 || calls[3] != 132 {
		t.Errorf("progress was told %v", calls)
	}
	_, err = c.Index(context.Background(), 67, nil)
	if !errors.Is(err, ErrTooSmall) || !strings.Contains(err.Error(), "at least 134") {
		t.Errorf("too small: got %v, must state the least length", err)
	}
	for _, piece := range []int{-1, 0, MinPiece - 1, MaxPiece + 1} {
		if _, err := c.Index(context.Background(), piece, nil); err == nil {
			t.Errorf("pieces of %d bytes were accepted", piece)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Index(ctx, 64, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestChangeOnDiskIsNoticed(t *testing.T) {
	ctx := context.Background()
	text := strings.Repeat("a", 200)
	for name, c := range map[string]struct {
		change func(path string) error
		broken []bool // by piece
	}{
		"one letter":       {func(p string) error { return os.WriteFile(p, []byte(text[:70]+"b"+text[71:]), 0o644) }, []bool{false, true, false}},
		"cut":              {func(p string) error { return os.Truncate(p, 100) }, []bool{false, true, true}},
		"removed":          {os.Remove, []bool{true, true, true}},
		"now a bit longer": {func(p string) error { return os.WriteFile(p, []byte(text+"more"), 0o644) }, []bool{false, false, false}},
	} {
		path := filepath.Join(write(t, map[string]string{"f": text}), "f")
		corpus, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		ix, err := corpus.Index(ctx, 64, nil)
		if err != nil {
			t.Fatal(err)
		}
		src, err := NewLocal(corpus, ix)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.change(path); err != nil {
			t.Fatal(err)
		}
		for i, broken := range c.broken {
			b, err := src.Piece(ctx, i)
			if broken && !errors.Is(err, ErrChanged) || !broken && (err != nil || string(b) != text[64*i:64*i+64]) {
				t.Errorf("%s, piece %d: got %d bytes and %v", name, i, len(b), err)
			}
		}
		if name == "cut" {
			if corpus, err = Open(path); err != nil {
				t.Fatal(err)
			}
			if _, err := NewLocal(corpus, ix); !errors.Is(err, ErrChanged) {
				t.Errorf("another length: got %v", err)
			}
		}
	}
}
