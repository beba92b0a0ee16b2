package private

// This file holds reading and making.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// ErrFile is wrapped by the errors about files that are there but are not taken.
var ErrFile = errors.New("not usable as a key file")

// Refuse returns an error about the file at path that wraps [ErrFile].
func Refuse(path, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", path, ErrFile, fmt.Sprintf(format, args...))
}

// Read returns what the file at path holds, at most one byte more than most bytes of
// it: who gets that many knows that the file is too long. It refuses what is no
// regular file, and a file that others than its owner may use.
func Read(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: opening a pipe would wait
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return nil, Refuse(path, "it is a folder")
	case !mode.IsRegular():
		return nil, Refuse(path, "it is no regular file")
	case mode.Perm()&^0o600 != 0 && modesCount:
		return nil, Refuse(path, "its mode is %04o, so others may have read it; if nobody has: chmod 600 %s", mode.Perm(), path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read: closing loses nothing
	return io.ReadAll(io.LimitReader(f, most+1))
}

// modesCount is false where the mode of a file says nothing of who may read it.
const modesCount = runtime.GOOS != "windows"

// CheckFolder refuses a folder that others than its owner may use.
func CheckFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return Refuse(path, "it is no folder")
	case info.Mode().Perm()&0o077 != 0 && modesCount:
		return Refuse(path, "its mode is %04o, so others may read or change what is in it; if nobody has: chmod 700 %s", info.Mode().Perm(), path)
	}
	return nil
}

// Create makes the file at path with that content and mode 0600, and its folder with
// mode 0700 if there is none: whole or not at all, and never in place of another
// file, about which the error is [fs.ErrExist]. Content first, then sync, then its
// name.
func Create(path, content string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // what remains is the link
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it never replaces a file
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder durable, where folders can be synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
