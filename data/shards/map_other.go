//go:build !unix

package shards

import (
	"io"
	"os"
)

// mapFile reads a file of that length where files are not mapped.
func mapFile(f *os.File, size int) ([]byte, error) {
	b := make([]byte, size)
	_, err := io.ReadFull(f, b)
	return b, err
}

func unmapFile([]byte) {}
