package examples

// This file makes files for the other tests.

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// idxBytesOf returns an IDX file of bytes.
func idxBytesOf(vals []byte, dims ...int) []byte {
	b := []byte{0, 0, idxBytes, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, vals...)
}

func packed(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err = errors.Join(err, z.Close()); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func pngOf(tb testing.TB, img image.Image) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// grey returns a picture of two lines of three pixels.
func grey(first byte) image.Image {
	g := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range g.Pix {
		g.Pix[i] = first + byte(i)
	}
	return g
}

// folderOf writes files by their slash-separated names and returns their folder.
func folderOf(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err = errors.Join(err, os.WriteFile(name, []byte(text), 0o644)); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func open(tb testing.TB, path string, o Options) *Set {
	tb.Helper()
	s, err := Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			tb.Error(err)
		}
	})
	return s
}

func read(tb testing.TB, s *Set, i int) []float32 {
	tb.Helper()
	vals := make([]float32, product(s.Shape()))
	if err := s.Read(vals, i); err != nil {
		tb.Fatal(err)
	}
	return vals
}

// refused fails unless a folder is refused for what is in its files, with those words;
// with Skip it must open, and skip so many.
func refused(t *testing.T, o Options, files map[string]string, words string, skipped int) *Set {
	t.Helper()
	dir := folderOf(t, files)
	s, err := Open(dir, o)
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrBad) || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want one that says %q", err, words)
	}
	o.Skip = true
	s, err = Open(dir, o)
	if skipped < 0 {
		if !errors.Is(err, ErrBad) {
			t.Errorf("with nothing left: error %v", err)
		}
		return nil
	}
	if err != nil {
		t.Fatalf("skipping: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	if named, num := s.Skipped(); num != skipped || len(named) != num {
		t.Errorf("%d skipped, want %d: %v", num, skipped, named)
	}
	return s
}
