package torch

// This file puts the Python files where an interpreter finds them.

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lode/python"
)

// install returns a folder below cache that holds from, written now or found whole:
// its name is the digest of what is in it.
func install(cache string, from fs.FS) (string, error) {
	files := map[string][]byte{}
	sum := sha256.New()
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error { // in the order of names
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(from, name)
		files[name] = b
		fmt.Fprintf(sum, "%d %s %d\n%s", len(name), name, len(b), b)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("the engine's own files: %w", err)
	}
	dir := filepath.Join(cache, "lode", "python-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	for name, b := range files {
		if err := put(filepath.Join(dir, filepath.FromSlash(name)), b); err != nil {
			return "", fmt.Errorf("keep the engine's Python files (a folder for them can be named with XDG_CACHE_HOME): %w", err)
		}
	}
	return dir, nil
}

// put makes the file at path hold b, at once: others may be reading it.
func put(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // what was renamed has no such name
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// installed returns the folder of this program's own files.
func installed() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("a folder for the engine's Python files: %w", err)
	}
	return install(cache, python.Engine)
}
