package checkpoints_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lode/checkpoints"
	"lode/checkpoints/storetest"
)

func TestDirConforms(t *testing.T) {
	s, err := checkpoints.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, s, 1<<20)
}

// A symbolic link must not lead a name out of the directory.
func TestDirStaysInside(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	s, err := checkpoints.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "link/secret", 0); err == nil {
		t.Error("Get follows a link out of the store")
	}
	if err := s.Put(t.Context(), "link/new", strings.NewReader("x"), 1); err == nil {
		t.Error("Put follows a link out of the store")
	}
}

func TestDirSweepsOldLeftovers(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, ".tmp", "OLD"), filepath.Join(dir, ".tmp", "YOUNG")
	if err := os.Mkdir(filepath.Dir(old), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoints.OpenDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("a leftover of a day ago is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a write that may go on was swept: %v", err)
	}
}
