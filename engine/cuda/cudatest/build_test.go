package cudatest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What nobody has used for long leaves the cache, what is used stays.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-2 * kept)
	for _, name := range []string{"used.o", "unused.o"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, long, long)); err != nil {
			t.Fatal(err)
		}
	}
	if !there(filepath.Join(dir, "used.o")) || there(filepath.Join(dir, "none.o")) {
		t.Error("what is there is not known")
	}
	sweep(dir)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "used.o" {
		t.Errorf("%v is left, %v", left, err)
	}
}
