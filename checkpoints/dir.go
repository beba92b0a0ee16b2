package checkpoints

// This file holds the store in a local directory.
//
// Order of writes: content into .tmp, sync, then rename (Put) or link
// (PutIfAbsent) to the name, then sync of the directory. A crash leaves the old
// object or the new one; a forgotten file in .tmp goes when a day old.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Dir is a [Store] in a local directory.
type Dir struct{ disk disk }

// OpenDir opens the directory, making it if need be.
func OpenDir(dir string) (*Dir, error) {
	d, err := openDisk(dir)
	if err != nil {
		return nil, fmt.Errorf("open store directory %q: %w", dir, err)
	}
	sweepTmp(d, time.Now())
	return &Dir{d}, nil
}

// Get implements [Store].
func (s *Dir) Get(_ context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	f, err := s.disk.open(name, os.O_RDONLY)
	if err != nil {
		return nil, 0, fmt.Errorf("get %s: %w", name, err)
	}
	size, err := seekIn(f, offset)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("get %s: %w", name, err), f.Close())
	}
	return f, size, nil
}

// seekIn places f at offset and returns its size.
func seekIn(f diskFile, offset int64) (int64, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("not a plain file: %w", fs.ErrNotExist)
	case offset < 0 || offset > info.Size():
		return 0, errOffset(offset, info.Size())
	}
	_, err = f.Seek(offset, io.SeekStart)
	return info.Size(), err
}

func errOffset(offset, size int64) error {
	return fmt.Errorf("offset %d is outside the object's %d bytes", offset, size)
}

// Put implements [Store].
func (s *Dir) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	return s.put(ctx, name, r, size, func(tmp string) error { return place(s.disk, tmp, name) })
}

// PutIfAbsent implements [Store].
func (s *Dir) PutIfAbsent(ctx context.Context, name string, r io.Reader, size int64) error {
	return s.put(ctx, name, r, size, func(tmp string) error {
		if err := mkdirs(s.disk, path.Dir(name)); err != nil {
			return err
		}
		if err := s.disk.link(tmp, name); err != nil {
			return err
		}
		_ = s.disk.remove(tmp) // the object is in place; a leftover is swept later
		return syncDir(s.disk, path.Dir(name))
	})
}

func (s *Dir) put(ctx context.Context, name string, r io.Reader, size int64, land func(tmp string) error) error {
	if err := checkName(name); err != nil {
		return err
	}
	tmp, err := writeTmp(s.disk, ctxReader{ctx, r}, size)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	if err := land(tmp); err != nil {
		_ = s.disk.remove(tmp) // the first fault is the one to report
		return fmt.Errorf("put %s: %w", name, err)
	}
	return nil
}

// ctxReader stops reading when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// List implements [Store].
func (s *Dir) List(ctx context.Context, prefix string) ([]string, error) {
	dir := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		dir = prefix[:i]
		if err := checkName(dir); err != nil {
			return nil, err
		}
	}
	var names []string
	if err := s.walk(ctx, dir, func(name string) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}); err != nil && !notThere(err) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	slices.Sort(names) // a walk sorts "a/b" before "a.b", names as a whole do not
	return names, nil
}

func (s *Dir) walk(ctx context.Context, dir string, visit func(name string)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.disk.list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case checkName(name) != nil: // .tmp, and what others put there
		case e.IsDir():
			if err := s.walk(ctx, name, visit); err != nil && !notThere(err) {
				return err
			}
		case e.Type().IsRegular():
			visit(name)
		}
	}
	return nil
}

// Delete implements [Store]. Directories it leaves empty stay.
func (s *Dir) Delete(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := s.disk.remove(name); notThere(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return syncDir(s.disk, path.Dir(name))
}
