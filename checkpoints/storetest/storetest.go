package storetest

// This file holds the conformance test.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"lode/checkpoints"
)

// Run tests an empty store that keeps at least large+1 MiB; large is the size in
// bytes of the biggest object it writes, at least 1.
func Run(t *testing.T, s checkpoints.Store, large int) {
	t.Run("absent", func(t *testing.T) { absent(t, s) })
	t.Run("round trip", func(t *testing.T) { roundTrip(t, s, large) })
	t.Run("ranges", func(t *testing.T) { ranges(t, s) })
	t.Run("replace", func(t *testing.T) { replace(t, s) })
	t.Run("put if absent", func(t *testing.T) { putIfAbsent(t, s) })
	t.Run("race", func(t *testing.T) { race(t, s) })
	t.Run("wrong length", func(t *testing.T) { wrongLength(t, s, large) })
	t.Run("list", func(t *testing.T) { list(t, s) })
	t.Run("delete", func(t *testing.T) { remove(t, s) })
	t.Run("names", func(t *testing.T) { names(t, s) })
}

// pattern returns bytes that differ at every nearby offset.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8*31 ^ i>>16*17)
	}
	return b
}

func put(t *testing.T, s checkpoints.Store, name string, b []byte) {
	t.Helper()
	if err := s.Put(t.Context(), name, bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s checkpoints.Store, name string, offset int64) ([]byte, int64) {
	t.Helper()
	r, size, err := s.Get(t.Context(), name, offset)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return b, size
}

func absent(t *testing.T, s checkpoints.Store) {
	if _, _, err := s.Get(t.Context(), "absent/object", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get: %v, want fs.ErrNotExist", err)
	}
	if got, err := s.List(t.Context(), "absent/"); len(got) != 0 || err != nil {
		t.Errorf("List: %q, %v", got, err)
	}
	if err := s.Delete(t.Context(), "absent/object"); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func roundTrip(t *testing.T, s checkpoints.Store, large int) {
	for _, n := range []int{0, 1, 4096, large} {
		want := pattern(n)
		name := fmt.Sprintf("trip/%d.bin", n)
		// A source that gives little at a time and cannot go back.
		if err := s.Put(t.Context(), name, iotest.HalfReader(bytes.NewReader(want)), int64(n)); err != nil {
			t.Fatal(err)
		}
		if got, size := get(t, s, name, 0); !bytes.Equal(got, want) || size != int64(n) {
			t.Errorf("%d bytes came back as %d, size %d", n, len(got), size)
		}
	}
}

func ranges(t *testing.T, s checkpoints.Store) {
	want := pattern(1000)
	put(t, s, "ranges", want)
	for _, offset := range []int64{1, 500, 999, 1000} {
		if got, size := get(t, s, "ranges", offset); !bytes.Equal(got, want[offset:]) || size != 1000 {
			t.Errorf("offset %d: %d bytes, size %d", offset, len(got), size)
		}
	}
	for _, offset := range []int64{-1, 1001} {
		if r, _, err := s.Get(t.Context(), "ranges", offset); err == nil {
			t.Errorf("offset %d is accepted", offset)
			_ = r.Close()
		}
	}
}

func replace(t *testing.T, s checkpoints.Store) {
	for _, want := range [][]byte{pattern(5000), pattern(10), nil} {
		put(t, s, "replace", want)
		if got, _ := get(t, s, "replace", 0); !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
	}
}

func putIfAbsent(t *testing.T, s checkpoints.Store) {
	if err := s.PutIfAbsent(t.Context(), "absent", strings.NewReader("one"), 3); err != nil {
		t.Fatal(err)
	}
	if err := s.PutIfAbsent(t.Context(), "absent", strings.NewReader("two"), 3); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second: %v, want fs.ErrExist", err)
	}
	if got, _ := get(t, s, "absent", 0); string(got) != "one" {
		t.Errorf("got %q", got)
	}
}

func race(t *testing.T, s checkpoints.Store) {
	var wins atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			err := s.PutIfAbsent(t.Context(), "race", strings.NewReader(fmt.Sprint(i)), 1)
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d of 8 writers won", wins.Load())
	}
}

func wrongLength(t *testing.T, s checkpoints.Store, large int) {
	for _, n := range []int{10, large} {
		for _, off := range []int{-1, 1} {
			err := s.Put(t.Context(), "wrong", bytes.NewReader(pattern(n+off)), int64(n))
			if err == nil {
				t.Errorf("%d bytes announced as %d are accepted", n+off, n)
			}
		}
		broken := io.MultiReader(bytes.NewReader(pattern(n-1)), iotest.ErrReader(errors.New("source broke")))
		if err := s.Put(t.Context(), "wrong", broken, int64(n)); err == nil || !strings.Contains(err.Error(), "source broke") {
			t.Errorf("a source that fails: %v", err)
		}
	}
	if _, _, err := s.Get(t.Context(), "wrong", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is there after refused writes: %v", err)
	}
}

func list(t *testing.T, s checkpoints.Store) {
	all := []string{"l/a-b", "l/a.b/c", "l/a/b", "l/a/d/e", "l/ab"}
	for _, name := range all {
		put(t, s, name, []byte(name))
	}
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"l/", all},
		{"l/a/", []string{"l/a/b", "l/a/d/e"}},
		{"l/ab", []string{"l/ab"}},
		{"l/a", all},
		{"l/x", nil},
		{"l/a/b/", nil},
	} {
		got, err := s.List(t.Context(), c.prefix)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("List(%q) = %q, %v; want %q", c.prefix, got, err, c.want)
		}
	}
}

func remove(t *testing.T, s checkpoints.Store) {
	put(t, s, "gone/x", []byte("x"))
	put(t, s, "gone/y", []byte("y"))
	if err := s.Delete(t.Context(), "gone/x"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "gone/x", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get after Delete: %v", err)
	}
	if got, err := s.List(t.Context(), "gone/"); err != nil || !slices.Equal(got, []string{"gone/y"}) {
		t.Errorf("List after Delete: %q, %v", got, err)
	}
}

func names(t *testing.T, s checkpoints.Store) {
	for _, name := range []string{
		"", "/", "/abs", "a/", "a//b", ".", "..", "../up", "a/../b", "a/./b", ".hidden", "a/.hidden",
		`a\b`, "a b", "a\x00b", "a%2e%2e", "C:a", "ä", strings.Repeat("x", 513),
	} {
		if err := s.Put(t.Context(), name, strings.NewReader("x"), 1); err == nil {
			t.Errorf("Put(%q) is accepted", name)
		}
		if err := s.PutIfAbsent(t.Context(), name, strings.NewReader("x"), 1); err == nil {
			t.Errorf("PutIfAbsent(%q) is accepted", name)
		}
		if r, _, err := s.Get(t.Context(), name, 0); err == nil {
			t.Errorf("Get(%q) is accepted", name)
			_ = r.Close()
		}
		if err := s.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete(%q) is accepted", name)
		}
	}
}
