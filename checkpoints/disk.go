package checkpoints

// This file holds the way to the disk: the few calls in use, and the steps that
// make a file durable.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
)

// disk is a directory tree. Names are relative to its root, with slashes. The
// tests stand in a disk that loses what was not synced and fails at a chosen
// call.
type disk interface {
	open(name string, flag int) (diskFile, error)
	mkdir(name string) error
	rename(from, to string) error
	link(from, to string) error
	remove(name string) error
	list(dir string) ([]fs.DirEntry, error)
}

// diskFile is an open file or, for sync only, an open directory.
type diskFile interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

// rootDisk is a real directory. os.Root keeps names, also through symbolic
// links, from leading out of it.
type rootDisk struct{ root *os.Root }

// openDisk opens dir, making it if it is not there.
func openDisk(dir string) (rootDisk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return rootDisk{}, err
	}
	root, err := os.OpenRoot(dir)
	return rootDisk{root}, err
}

func (d rootDisk) open(name string, flag int) (diskFile, error) {
	f, err := d.root.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d rootDisk) mkdir(name string) error      { return d.root.Mkdir(name, 0o755) }
func (d rootDisk) rename(from, to string) error { return d.root.Rename(from, to) }
func (d rootDisk) link(from, to string) error   { return d.root.Link(from, to) }
func (d rootDisk) remove(name string) error     { return d.root.Remove(name) }

func (d rootDisk) list(dir string) ([]fs.DirEntry, error) {
	return fs.ReadDir(d.root.FS(), dir)
}

// syncDir makes the entries of a directory durable.
func syncDir(d disk, dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened for sync there; NTFS journals entries
	}
	f, err := d.open(dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// mkdirs makes dir and its parents durably.
func mkdirs(d disk, dir string) error {
	if dir == "." {
		return nil
	}
	switch err := d.mkdir(dir); {
	case errors.Is(err, fs.ErrNotExist):
		if err := mkdirs(d, path.Dir(dir)); err != nil {
			return err
		}
		if err := d.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case err != nil && !errors.Is(err, fs.ErrExist):
		return err
	}
	// Also when the directory was there: whoever made it may not have come to
	// syncing its entry.
	return syncDir(d, path.Dir(dir))
}

// tmpDir holds files on their way to their name. It lies on the same file
// system, so that rename and link work, and begins with a dot, which no object
// name may.
const tmpDir = ".tmp"

// writeTmp writes r into a new synced file and returns its name. It takes
// exactly size bytes, or any number if size is negative.
func writeTmp(d disk, r io.Reader, size int64) (string, error) {
	if err := mkdirs(d, tmpDir); err != nil {
		return "", err
	}
	name := path.Join(tmpDir, rand.Text())
	f, err := d.open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return "", err
	}
	err = copyExactly(f, r, size)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = d.remove(name) // the first fault is the one to report
		return "", err
	}
	return name, nil
}

// copyExactly copies size bytes and refuses a source that has fewer or more; a
// negative size stands for whatever there is.
func copyExactly(w io.Writer, r io.Reader, size int64) error {
	if size < 0 {
		_, err := io.Copy(w, r)
		return err
	}
	n, err := io.Copy(w, io.LimitReader(r, size))
	if err != nil {
		return err
	}
	if n < size {
		return fmt.Errorf("content ends after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	var extra [1]byte
	switch n, err := io.ReadFull(r, extra[:]); {
	case n > 0:
		return fmt.Errorf("content is longer than the %d bytes announced", size)
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// place moves a synced file to its name, replacing what is there, and makes the
// entry durable.
func place(d disk, from, to string) error {
	if err := mkdirs(d, path.Dir(to)); err != nil {
		return err
	}
	if err := d.rename(from, to); err != nil {
		return err
	}
	return syncDir(d, path.Dir(to))
}

// sweepTmp removes what writers that died left behind. A day is far longer than
// any write that still goes on.
func sweepTmp(d disk, now time.Time) {
	entries, err := d.list(tmpDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > 24*time.Hour {
			_ = d.remove(path.Join(tmpDir, e.Name())) // tidiness only
		}
	}
}

// maxName bounds the length of an object's name; S3 allows 1,024 with prefix.
const maxName = 512

// checkName accepts slash-separated parts of ASCII letters, digits, '.', '_' and
// '-', none of which begins with a dot. So there is no "..", no absolute path,
// no drive letter, no back slash and no percent escape.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("object name %.40q must have 1 to %d bytes", name, maxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.ContainsFunc(part, notNameRune) {
			return fmt.Errorf("object name %.80q has a part that is empty, begins with a dot or holds more than letters, digits and ._-", name)
		}
	}
	return nil
}

func notNameRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}
