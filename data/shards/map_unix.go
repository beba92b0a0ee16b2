//go:build unix

package shards

// This file holds mapping files into memory, where the system does that.

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a file of that length, read-only. Nothing is read yet.
func mapFile(f *os.File, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	return b, nil
}

func unmapFile(b []byte) {
	if b != nil {
		_ = unix.Munmap(b) // it was mapped, so it can be unmapped
	}
}
