package checkpoints

// This file holds opening a pulled checkpoint for use.

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"lode/checkpoints/safetensors"
	"lode/tensor"
)

// maxConfig bounds the configuration file in bytes.
const maxConfig = 1 << 20

// Model is an open checkpoint in a directory. One goroutine at a time may call
// its methods; what they return may be read by several.
type Model struct {
	Manifest Manifest
	Config   []byte // content of ConfigFile; nil if the checkpoint has none

	disk   disk
	file   diskFile // ModelFile
	header safetensors.Header
	opened []io.Closer // in the order of opening
}

// OpenModel opens the checkpoint in dir: it checks the manifest with its
// signatures' arithmetic, and the configuration against its digest. The
// parameters are checked by [Model.Reader]. Close it after use.
func OpenModel(dir string) (*Model, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	m := &Model{disk: rootDisk{root}, opened: []io.Closer{root}}
	if err := m.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open model in %q: %w", dir, err), m.Close())
	}
	return m, nil
}

// Close ends what the model gave out.
func (m *Model) Close() error {
	var err error
	for _, c := range slices.Backward(m.opened) {
		err = errors.Join(err, c.Close())
	}
	m.opened = nil
	return err
}

func (m *Model) open() error {
	b, err := readFile(m.disk, manifestName, maxManifest)
	if notThere(err) {
		return fmt.Errorf("no manifest, so no pull was finished here: %w", err)
	}
	if err != nil {
		return err
	}
	if m.Manifest, err = ParseManifest(b); err != nil {
		return err
	}
	if m.Config, err = m.config(); err != nil {
		return err
	}
	want, ok := m.Manifest.File(ModelFile)
	if !ok {
		return fmt.Errorf("the manifest names no %s", ModelFile)
	}
	if m.file, err = m.openFile(ModelFile); err != nil {
		return err
	}
	return m.readHeader(want.Size)
}

func (m *Model) openFile(name string) (diskFile, error) {
	f, err := m.disk.open(name, os.O_RDONLY)
	if err == nil {
		m.opened = append(m.opened, f)
	}
	return f, err
}

func (m *Model) readHeader(want int64) error {
	size, err := seekIn(m.file, 0)
	if err != nil {
		return err
	}
	if size != want {
		return fmt.Errorf("%s has %d bytes, the manifest says %d: %w", ModelFile, size, want, ErrCorrupt)
	}
	m.header, err = safetensors.Parse(m.file, size)
	return err
}

func (m *Model) config() ([]byte, error) {
	want, ok := m.Manifest.File(ConfigFile)
	if !ok {
		return nil, nil
	}
	b, err := readFile(m.disk, ConfigFile, maxConfig)
	if err != nil {
		return nil, err
	}
	if sha256Hex(b) != runFolder(want.SHA256) {
		return nil, fmt.Errorf("%s: %w", ConfigFile, ErrCorrupt)
	}
	return b, nil
}

// Layout returns the tensors of the file, in the order they were written in.
func (m *Model) Layout() (tensor.Layout, error) { return m.header.Layout() }

// Reader returns the parameters in the layout's order, after reading all of them
// once to compare their [tensor.Root] with the manifest's. It serves until Close.
func (m *Model) Reader(l tensor.Layout) (tensor.Reader, error) {
	values, err := safetensors.Gather(l, nil, safetensors.Part{File: m.file, Header: m.header})
	if err != nil {
		return nil, err
	}
	root, err := tensor.Root(l, values)
	if err != nil {
		return nil, err
	}
	if root != m.Manifest.ModelRoot {
		return nil, fmt.Errorf("parameters have root %x, the manifest says %x: %w", root[:6], m.Manifest.ModelRoot[:6], ErrCorrupt)
	}
	return values, nil
}

// State returns the integer tensors of StateFile, after comparing the file with
// its digest; none if the checkpoint has no such file. They may be read, in any
// order, until Close.
func (m *Model) State() ([]Ints, error) {
	want, ok := m.Manifest.File(StateFile)
	if !ok {
		return nil, nil
	}
	f, err := m.Open(StateFile)
	if err != nil {
		return nil, err
	}
	h, err := safetensors.Parse(f, want.Size)
	if err != nil {
		return nil, err
	}
	state := make([]Ints, len(h.Entries()))
	for i, e := range h.Entries() {
		if e.DType != safetensors.I64 {
			return nil, fmt.Errorf("state %q is %s, want %s", e.Name, e.DType, safetensors.I64)
		}
		state[i] = Ints{Name: e.Name, Shape: e.Shape, Read: func(offset int, dst []int64) error {
			return readInts(f, h.DataStart()+e.Begin, e.End-e.Begin, offset, dst)
		}}
	}
	return state, nil
}

func readInts(f io.ReaderAt, begin, length int64, offset int, dst []int64) error {
	at := 8 * int64(offset)
	if offset < 0 || at > length-8*int64(len(dst)) {
		return fmt.Errorf("state values %d to %d are outside the tensor's %d", offset, offset+len(dst), length/8)
	}
	raw := make([]byte, 8*len(dst))
	if _, err := f.ReadAt(raw, begin+at); err != nil {
		return err
	}
	safetensors.DecodeInts(dst, raw)
	return nil
}

// Open returns a file of the checkpoint after comparing it with its digest. It
// serves until Close.
func (m *Model) Open(name string) (*io.SectionReader, error) {
	want, ok := m.Manifest.File(name)
	if !ok {
		return nil, fmt.Errorf("the manifest names no file %.80q: %w", name, fs.ErrNotExist)
	}
	f, err := m.openFile(name)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(f, 0, want.Size+1))
	if err != nil {
		return nil, err
	}
	if n != want.Size || [32]byte(sum.Sum(nil)) != want.SHA256 {
		return nil, fmt.Errorf("%s: %w", name, ErrCorrupt)
	}
	return io.NewSectionReader(f, 0, want.Size), nil
}
