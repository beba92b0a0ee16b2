package data

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An index is made once, and again when a file, the size of pieces or the index on
// disk changed.
func TestRemembered(t *testing.T) {
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "deep", "cache")
	file := filepath.Join(dir, "a")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(piece int) (ix *Index, reads int) {
		t.Helper()
		c, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if ix, err = c.Remembered(t.Context(), piece, cache, func(uint64, uint64) { reads++ }); err != nil {
			t.Fatal(err)
		}
		want, err := c.Index(context.Background(), piece, nil)
		if err != nil || ix.Digest() != want.Digest() {
			t.Errorf("another index than that of the corpus: %v", err)
		}
		return ix, reads
	}
	write(strings.Repeat("text ", 100))
	for i, c := range []struct {
		before func()
		piece  int
		reads  bool
	}{
		{func() {}, 64, true},
		{func() {}, 64, false},
		{func() {}, 128, true},
		{func() { write(strings.Repeat("more ", 200)) }, 64, true},
		{func() { _ = os.Chtimes(file, time.Now(), time.Now().Add(time.Hour)) }, 64, true},
		{func() {}, 64, false},
		{func() {
			names, err := filepath.Glob(filepath.Join(cache, "*.index"))
			if err != nil || len(names) != 4 {
				t.Fatalf("%d indexes are kept, %v", len(names), err)
			}
			for _, name := range names {
				if err := os.Truncate(name, 30); err != nil {
					t.Fatal(err)
				}
			}
		}, 64, true},
	} {
		c.before()
		if _, reads := read(c.piece); (reads > 0) != c.reads {
			t.Errorf("step %d: the corpus was read: %v", i, reads > 0)
		}
	}
}
