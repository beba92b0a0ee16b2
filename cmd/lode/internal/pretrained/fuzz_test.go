package pretrained_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lode/cmd/lode/internal/pretrained"
)

// Whatever an index says, only files beside it are read.
func FuzzIndex(f *testing.F) {
	for _, s := range []string{"", "{}", `{"weight_map":{"a":"b"}}`, `{"weight_map":{"a":"/etc/passwd"}}`, `{"weight_map":{"a":"..","b":"."}}`, `{"weight_map":[]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, index []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{"model.safetensors.index.json": index, "b": nil} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		found, err := pretrained.Find(dir)
		if err != nil {
			return
		}
		if len(found.Files) == 0 {
			t.Error("nothing is found")
		}
		for _, path := range found.Files {
			if filepath.Dir(path) != dir || strings.Contains(path, "..") {
				t.Errorf("%q is read", path)
			}
		}
	})
}
