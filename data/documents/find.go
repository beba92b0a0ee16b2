package documents

// This file holds which files belong to a set, and what their names say of them.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lode/data"
)

// ErrNone says that there are no files to read.
var ErrNone = errors.New("no documents")

// Set is files in an order.
type Set struct {
	Files   []File
	Skipped int // hidden files, links and devices in folders
}

// File is a file of a set.
type File struct {
	Path    string
	Size    int64
	Changed time.Time
	format  format
	packed  packing
}

type format byte

const (
	plain format = iota
	jsonLines
	parquetTable
)

type packing byte

const (
	unpacked packing = iota
	gzipped
	zstandard
)

var (
	formats  = map[string]format{".jsonl": jsonLines, ".ndjson": jsonLines, ".parquet": parquetTable, ".pq": parquetTable}
	packings = map[string]packing{".gz": gzipped, ".gzip": gzipped, ".zst": zstandard, ".zstd": zstandard}
)

// kind returns what a file's name says of it.
func kind(name string) (format, packing) {
	name = strings.ToLower(filepath.Base(name))
	p := packings[filepath.Ext(name)]
	if p != unpacked {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return formats[filepath.Ext(name)], p
}

// Plain reports whether all files are text as it is.
func (s *Set) Plain() bool {
	for _, f := range s.Files {
		if f.format != plain || f.packed != unpacked {
			return false
		}
	}
	return true
}

// Bytes returns the size of all files.
func (s *Set) Bytes() (n int64) {
	for _, f := range s.Files {
		n += f.Size
	}
	return n
}

// Find returns the files at paths, in their order. Of a folder it takes all files
// below it, in the byte order of their slash-separated paths, but none that is
// hidden, a link or a device.
func Find(paths ...string) (*Set, error) {
	s := &Set{}
	for _, path := range paths {
		if err := s.find(path); err != nil {
			return nil, fmt.Errorf("find documents: %w", err)
		}
	}
	if len(s.Files) == 0 {
		err := fmt.Errorf("find documents: %w: %s has no file to read", ErrNone, strings.Join(paths, ", "))
		if s.Skipped > 0 {
			err = fmt.Errorf("%w; left out were %d that are hidden, links or devices: copy what links lead to, or name it", err, s.Skipped)
		}
		return nil, err
	}
	return s, nil
}

func (s *Set) find(path string) error {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return err
	case info.Mode().IsRegular():
		s.add(root, path, info.Size(), info.ModTime())
		return nil
	case !info.IsDir():
		return fmt.Errorf("%s is neither a file nor a folder", path)
	}
	files, skipped, err := data.Walk(root, func(string) bool { return true })
	for _, f := range files {
		s.add(filepath.Join(root, filepath.FromSlash(f.Path)), f.Path, int64(f.Size), f.Changed)
	}
	s.Skipped += skipped
	return err
}

// add takes up a file; the name that was given, not where a link leads, says what
// it is.
func (s *Set) add(path, name string, size int64, changed time.Time) {
	f := File{Path: path, Size: size, Changed: changed}
	f.format, f.packed = kind(name)
	s.Files = append(s.Files, f)
}
