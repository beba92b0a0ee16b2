package journal

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"lode/protocol"
)

func archive(t *testing.T, path string) (*Archive, *File) {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	a, err := f.Archive(protocol.RunID{1})
	if err != nil {
		t.Fatal(err)
	}
	return a, f
}

// Blocks are there by height after the file is opened again, apart from the record and
// other runs; with pruning those before the older snapshot are not.
func TestArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	a, f := archive(t, path)
	block := func(h uint64) []byte { return fmt.Appendf(nil, "block %d", h) }
	state := func(h uint64) []byte { return fmt.Appendf(nil, "state %d", h) }
	for h := uint64(1); h <= 30; h++ {
		if a.Next() != h {
			t.Fatalf("next is %d, want %d", a.Next(), h)
		}
		var after []byte
		if h%10 == 0 {
			after = state(h)
		}
		if err := a.Add(block(h), after, h == 30); err != nil {
			t.Fatal(err)
		}
	}
	record, err := f.Record(protocol.RunID{1})
	other, err2 := f.Archive(protocol.RunID{2})
	if err != nil || err2 != nil || record.Len() != 0 || other.Next() != 1 {
		t.Errorf("the archive shows elsewhere: %v %v", err, err2)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	a, _ = archive(t, path)
	if a.Next() != 31 {
		t.Fatalf("next is %d after opening again", a.Next())
	}
	got, err := a.Blocks(21, 100)
	if err != nil || len(got) != 10 || !bytes.Equal(got[0], block(21)) || !bytes.Equal(got[9], block(30)) {
		t.Errorf("blocks from 21: %q, %v", got, err)
	}
	if got, err := a.Blocks(31, 5); err != nil || len(got) != 0 {
		t.Errorf("blocks from 31: %q, %v", got, err)
	}
	if _, err := a.Blocks(20, 1); !errors.Is(err, ErrPruned) {
		t.Errorf("a pruned block: %v", err)
	}
	if _, err := a.Blocks(0, 1); err == nil {
		t.Error("a block of height 0")
	}
	for most, want := range map[uint64]uint64{19: 0, 20: 20, 29: 20, 30: 30, 1 << 60: 30} {
		h, got, err := a.State(most)
		if err != nil || h != want || want > 0 && !bytes.Equal(got, state(want)) {
			t.Errorf("state up to %d: height %d, %q, %v", most, h, got, err)
		}
	}
}

// A snapshot can be read in parts.
func TestStateInParts(t *testing.T) {
	a, _ := archive(t, filepath.Join(t.TempDir(), "record.db"))
	if err := a.Add([]byte("x"), []byte("a state of some length"), false); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for {
		height, size, part, err := a.StatePart(9, uint64(len(got)), 5)
		if err != nil || height != 1 || size != 22 || len(part) > 5 {
			t.Fatalf("height %d, %d of %d bytes, %v", height, len(part), size, err)
		}
		if len(part) == 0 {
			break
		}
		got = append(got, part...)
	}
	if string(got) != "a state of some length" {
		t.Errorf("got %q", got)
	}
	if _, size, part, err := a.StatePart(0, 0, 5); err != nil || size != 0 || part != nil {
		t.Errorf("below it: %d bytes, %q, %v", size, part, err)
	}
}

// The newest block stays, although a snapshot is as new.
func TestArchiveKeepsTheLast(t *testing.T) {
	a, _ := archive(t, filepath.Join(t.TempDir(), "record.db"))
	for range 3 {
		if err := a.Add([]byte("x"), []byte("y"), true); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := a.Blocks(3, 9); err != nil || len(got) != 1 || a.Next() != 4 {
		t.Errorf("%d blocks, %v, next %d", len(got), err, a.Next())
	}
}
