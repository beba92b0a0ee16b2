//go:build unix && !linux

package process

// This file holds files without a name, where there are none in memory.

import "os"

// anonymous returns an empty file that has no name any more.
func anonymous() (*os.File, error) {
	f, err := os.CreateTemp("", "lode-memory-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// reserve makes a file that long, all of it written, so that using it cannot fail.
func reserve(f *os.File, size int64) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}
