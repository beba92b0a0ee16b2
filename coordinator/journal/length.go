package journal

// This file holds a check that bbolt does not make: it maps the file into memory
// and dies where the file is shorter than its own meta page says, as an
// interrupted copy is.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// Of bbolt's format 2: a meta page follows a page header, and a copy of it stands
// one page later.
const (
	pageHeader = 16
	metaLen    = 64
	metaMagic  = 0xED0CDAED
)

// CheckLength fails if the file at path ends before the last page in use; it must
// be called before bbolt maps the file. What is not a bbolt file at all is bbolt's
// to refuse.
func CheckLength(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	pageSize, need, ok := readMeta(f, 0)
	if _, second, found := readMeta(f, pageSize); ok && found {
		need = max(need, second)
	}
	if ok && info.Size() < need {
		return fmt.Errorf("the file is cut short: %d bytes, at least %d belong to it", info.Size(), need)
	}
	return nil
}

// readMeta returns the size of a page and the bytes in use, as the meta page at
// offset says.
func readMeta(f io.ReaderAt, offset int64) (pageSize, used int64, ok bool) {
	var b [metaLen]byte
	if _, err := f.ReadAt(b[:], offset+pageHeader); err != nil || binary.NativeEndian.Uint32(b[:]) != metaMagic {
		return 0, 0, false
	}
	sum := fnv.New64a()
	sum.Write(b[:metaLen-8]) // never fails
	if sum.Sum64() != binary.NativeEndian.Uint64(b[metaLen-8:]) {
		return 0, 0, false // torn: the other copy counts
	}
	pageSize = int64(binary.NativeEndian.Uint32(b[8:]))
	used = int64(binary.NativeEndian.Uint64(b[40:])) * pageSize
	return pageSize, used, true
}
