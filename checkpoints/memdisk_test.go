package checkpoints

// This file holds a disk in memory that forgets what was not synced and dies at
// a chosen call.

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// errCrash is what every call returns from the chosen one on.
var errCrash = errors.New("machine lost power")

// memDisk keeps for each directory the entries that are seen and those that are
// durable, and for each file the bytes that are seen and those that are durable.
type memDisk struct {
	root    *memNode
	crashAt int // number of the call that changes something and fails; 0 for none
	calls   int
}

type memNode struct {
	dir           bool
	data, synced  []byte
	names, stable map[string]*memNode
}

func newMemDisk() *memDisk { return &memDisk{root: newMemDir()} }

func newMemDir() *memNode {
	return &memNode{dir: true, names: map[string]*memNode{}, stable: map[string]*memNode{}}
}

// survival says what a crash leaves of what was not synced.
type survival int

const (
	keepSynced survival = iota // only what was synced
	keepAll                    // everything: the process died, not the machine
	keepTorn                   // entries all, of unsynced contents half
	keepNames                  // entries all, contents only what was synced
)

// after returns the disk as it is found after a crash.
func (d *memDisk) after(s survival) *memDisk { return &memDisk{root: d.root.after(s)} }

func (n *memNode) after(s survival) *memNode {
	if !n.dir {
		b := n.synced
		switch {
		case s == keepAll:
			b = n.data
		case s == keepTorn && len(n.data) > len(n.synced):
			b = slices.Clone(n.data[:(len(n.data)+len(n.synced)+1)/2])
			if len(b) > len(n.synced) {
				b[len(b)-1] = 0 // blocks that were allocated and never written
			}
		}
		return &memNode{data: slices.Clone(b), synced: slices.Clone(b)}
	}
	names := n.names
	if s == keepSynced {
		names = n.stable
	}
	c := newMemDir()
	for name, child := range names {
		c.names[name] = child.after(s)
		c.stable[name] = c.names[name]
	}
	return c
}

// step counts a call that changes the disk.
func (d *memDisk) step() error {
	d.calls++
	if d.crashAt > 0 && d.calls >= d.crashAt {
		return errCrash
	}
	return nil
}

func (d *memDisk) dead() error {
	if d.crashAt > 0 && d.calls >= d.crashAt {
		return errCrash
	}
	return nil
}

func (d *memDisk) node(name string) (*memNode, error) {
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.dir || n.names[part] == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		n = n.names[part]
	}
	return n, nil
}

func (d *memDisk) open(name string, flag int) (diskFile, error) {
	if err := d.dead(); err != nil {
		return nil, err
	}
	n, err := d.node(name)
	switch {
	case err == nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case err != nil && flag&os.O_CREATE != 0:
		parent, perr := d.node(path.Dir(name))
		if perr != nil {
			return nil, perr
		}
		if err := d.step(); err != nil {
			return nil, err
		}
		n = &memNode{}
		parent.names[path.Base(name)] = n
	case err != nil:
		return nil, err
	}
	return &memFile{disk: d, node: n, name: path.Base(name)}, nil
}

func (d *memDisk) mkdir(name string) error {
	if _, err := d.node(name); err == nil {
		return fs.ErrExist
	}
	parent, err := d.node(path.Dir(name))
	if err != nil {
		return err
	}
	if err := d.step(); err != nil {
		return err
	}
	parent.names[path.Base(name)] = newMemDir()
	return nil
}

func (d *memDisk) rename(from, to string) error {
	return d.move(from, to, true)
}

func (d *memDisk) link(from, to string) error {
	if _, err := d.node(to); err == nil {
		return fs.ErrExist
	}
	return d.move(from, to, false)
}

func (d *memDisk) move(from, to string, cut bool) error {
	n, err := d.node(from)
	if err != nil {
		return err
	}
	a, _ := d.node(path.Dir(from))
	b, err := d.node(path.Dir(to))
	if err != nil {
		return err
	}
	if err := d.step(); err != nil {
		return err
	}
	b.names[path.Base(to)] = n
	if cut {
		delete(a.names, path.Base(from))
	}
	return nil
}

func (d *memDisk) remove(name string) error {
	if _, err := d.node(name); err != nil {
		return err
	}
	parent, _ := d.node(path.Dir(name))
	if err := d.step(); err != nil {
		return err
	}
	delete(parent.names, path.Base(name))
	return nil
}

func (d *memDisk) list(dir string) ([]fs.DirEntry, error) {
	if err := d.dead(); err != nil {
		return nil, err
	}
	n, err := d.node(dir)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	for name, child := range n.names {
		entries = append(entries, fs.FileInfoToDirEntry(memInfo{name, child}))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// memFile is an open file or directory.
type memFile struct {
	disk *memDisk
	node *memNode
	name string
	at   int64
}

func (f *memFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *memFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.disk.dead(); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		return 0, err
	}
	if gap := f.at + int64(len(p)) - int64(len(f.node.data)); gap > 0 {
		f.node.data = append(f.node.data, make([]byte, gap)...)
	}
	copy(f.node.data[f.at:], p)
	f.at += int64(len(p))
	return len(p), nil
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, errors.New("only io.SeekStart")
	}
	f.at = offset
	return offset, nil
}

func (f *memFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	if f.node.dir {
		clear(f.node.stable)
		for name, n := range f.node.names {
			f.node.stable[name] = n
		}
		return nil
	}
	f.node.synced = slices.Clone(f.node.data)
	return nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.node.data = f.node.data[:size]
	return nil
}

func (f *memFile) Close() error               { return nil }
func (f *memFile) Stat() (fs.FileInfo, error) { return memInfo{f.name, f.node}, nil }

type memInfo struct {
	name string
	node *memNode
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return int64(len(i.node.data)) }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.node.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.node.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
