package data

// This file holds the ways to open a corpus and the rules for what belongs to
// it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// binaryLook is how far a file is searched for a NUL, which no text has.
const binaryLook = 8 << 10

// defaultCap bounds the default corpus: enough to learn from, little enough to
// be indexed in a fraction of a second.
const defaultCap = 16 << 20

// Open opens the file or the folder at path as a corpus.
//
// A file is taken as it is. Of a folder, all text files below it are taken, in
// the byte order of their slash-separated paths relative to it; a file with a
// NUL in its first 8 KiB is no text. Names that begin with a dot, links and
// anything that is no regular file are left out.
func Open(path string) (*Corpus, error) {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open corpus: %w", err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("open corpus: %w", err)
	}
	c := &Corpus{name: path}
	switch {
	case info.IsDir():
		if err := c.addFolder(root); err != nil {
			return nil, fmt.Errorf("open corpus: %w", err)
		}
	case info.Mode().IsRegular():
		c.add(root, uint64(info.Size()), info.ModTime())
	default:
		return nil, fmt.Errorf("open corpus: %s is neither a file nor a folder", path)
	}
	if c.bytes == 0 {
		return nil, fmt.Errorf("%w: %s holds no text (%d files left out: binary, hidden, links or devices); pass --data with a text file or a folder of text files", ErrNoCorpus, path, c.skipped)
	}
	return c, nil
}

// addFolder adds the text files below root.
func (c *Corpus) addFolder(root string) error {
	files, skipped, err := Walk(root, func(string) bool { return true })
	if err != nil {
		return err
	}
	c.skipped = skipped
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.Path))
		binary, err := BinaryFile(path)
		if err != nil {
			return err
		}
		if binary {
			c.skipped++
			continue
		}
		c.add(path, f.Size, f.Changed)
	}
	return nil
}

// OpenDefault opens the default corpus: the sources of the standard library of
// the Go installation on this machine, found by the variable GOROOT or else by
// the go command. Other Go releases have other sources, hence another corpus.
//
// It takes the files below src whose names end in .go but not in _test.go, none
// below cmd, vendor or a testdata folder, in the byte order of their paths, and
// ends before the first file with which it would pass 16 MiB.
func OpenDefault(ctx context.Context) (*Corpus, error) {
	root := os.Getenv("GOROOT")
	if root == "" {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return nil, noGo(err)
		}
		root = strings.TrimSpace(string(out))
	}
	return openGo(root)
}

func noGo(cause error) error {
	return fmt.Errorf("%w: the default corpus is the source of Go's standard library, which was not found here: "+
		"set GOROOT, or pass --data with a text file or a folder of text files: %w", ErrNoCorpus, cause)
}

func openGo(goroot string) (*Corpus, error) {
	src, err := filepath.EvalSymlinks(filepath.Join(goroot, "src"))
	if err != nil {
		return nil, noGo(err)
	}
	files, _, err := Walk(src, isStandard)
	if err != nil {
		return nil, noGo(err)
	}
	c := &Corpus{name: "Go standard library (" + src + ")"}
	for _, f := range files {
		if c.next()+f.Size > defaultCap {
			break
		}
		c.add(filepath.Join(src, filepath.FromSlash(f.Path)), f.Size, f.Changed)
	}
	if c.bytes == 0 {
		return nil, noGo(fmt.Errorf("no Go files in %s", src))
	}
	return c, nil
}

// isStandard says whether the file at the slash-separated path below GOROOT/src
// belongs to the default corpus.
func isStandard(path string) bool {
	if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
		return false
	}
	dirs := strings.Split(path, "/")
	if dirs[0] == "cmd" || dirs[0] == "vendor" {
		return false
	}
	for _, d := range dirs[:len(dirs)-1] {
		if d == "testdata" {
			return false
		}
	}
	return true
}

// Found is a regular file below a root.
type Found struct {
	Path    string // slash-separated, below the root
	Size    uint64
	Changed time.Time
}

// Walk returns the files below root that are wanted, in the byte order of their
// paths, and the number of entries that are hidden or not regular.
func Walk(root string, wanted func(path string) bool) (files []Found, skipped int, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == root:
			return nil
		case strings.HasPrefix(d.Name(), "."):
			skipped++
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			skipped++
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); !wanted(rel) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files = append(files, Found{rel, uint64(info.Size()), info.ModTime()})
		return nil
	})
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, skipped, err
}

// BinaryFile says whether a file is no text, by how it begins.
func BinaryFile(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // only read: closing loses nothing
	head := make([]byte, binaryLook)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return IsBinary(head[:n]), nil
}

// IsBinary says whether a file that begins so is no text: it has a NUL in its first
// 8 KiB.
func IsBinary(head []byte) bool { return bytes.IndexByte(head[:min(len(head), binaryLook)], 0) >= 0 }
