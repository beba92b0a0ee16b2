package main

// This file tests the status of a stopped run.

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/checkpoints"
	"lode/cmd/lode/internal/audit/audittest"
	"lode/protocol"
)

// Checkpoints are those in the store, whatever the record announced.
func TestStatusOfStopped(t *testing.T) {
	dir := t.TempDir()
	store, err := checkpoints.OpenDir(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	r := audittest.New(t, audittest.Config{Rounds: 5, Store: store})
	r.Write(t, dir)
	if err := os.WriteFile(filepath.Join(dir, manifestName), protocol.Encode(r.Manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(r.Saved) != 2 {
		t.Fatalf("%d checkpoints, want 2", len(r.Saved))
	}
	folder := func(i int) string {
		return filepath.Join(dir, "store", filepath.FromSlash(filepath.Dir(r.Saved[i].Path(checkpoints.ManifestFile))))
	}
	expect := func(want uint64, line string) {
		t.Helper()
		s, err := statusFrom(t.Context(), dir, io.Discard)
		if err != nil || !s.Stopped || s.Saved != want || s.Entries != uint64(len(r.Entries)) {
			t.Errorf("%+v, %v, want round %d", s, err, want)
		}
		var out bytes.Buffer
		if err := printStatus(&out, s); err != nil || !strings.Contains(out.String(), "\n"+line+"; ") {
			t.Errorf("%v, no %q in\n%s", err, line, &out)
		}
	}
	expect(4, "checkpoint before round 4")
	s, err := statusFrom(t.Context(), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Members {
		if on := map[string]int{"worker": 5}[m.Role]; m.Recent != on || m.Late != 0 {
			t.Errorf("a punctual %s was late in %d of %d rounds, want none of %d", m.Role, m.Late, m.Recent, on)
		}
	}

	// One that a stopping coordinator wrote.
	later := filepath.Join(filepath.Dir(folder(1)), fmt.Sprintf("%08d", 5))
	if err := os.CopyFS(later, os.DirFS(folder(1))); err != nil {
		t.Fatal(err)
	}
	expect(5, "checkpoint before round 5")
	for _, f := range []string{later, folder(1)} {
		if err := os.RemoveAll(f); err != nil {
			t.Fatal(err)
		}
	}
	expect(2, "checkpoint before round 2")
	if err := os.RemoveAll(folder(0)); err != nil {
		t.Fatal(err)
	}
	expect(0, "no checkpoint yet")

	// Somewhere else: what the record says is all there is.
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	expect(4, "checkpoint before round 4")
}
