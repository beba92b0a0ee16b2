package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestCreateAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep")
	path := filepath.Join(dir, "file")
	if err := CheckFolder(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder yet: %v", err)
	}
	if err := Create(path, "words"); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, "other"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	for most, want := range map[int64]string{9: "words", 5: "words", 3: "word"} {
		if b, err := Read(path, most); err != nil || string(b) != want {
			t.Errorf("at most %d: %q, %v", most, b, err)
		}
	}
	if err := CheckFolder(dir); err != nil {
		t.Error(err)
	}
	if err := CheckFolder(path); !errors.Is(err, ErrFile) {
		t.Errorf("a file as folder: %v", err)
	}
	if _, err := Read(dir, 9); !errors.Is(err, ErrFile) {
		t.Errorf("a folder as file: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}
