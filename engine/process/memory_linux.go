package process

// This file holds files in memory.

import (
	"os"

	"golang.org/x/sys/unix"
)

// anonymous returns an empty file in memory.
func anonymous() (*os.File, error) {
	fd, err := unix.MemfdCreate("lode", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}

// reserve makes a file that long. Its pages are there: using one cannot fail.
func reserve(f *os.File, size int64) error {
	return os.NewSyscallError("fallocate", unix.Fallocate(int(f.Fd()), 0, 0, size))
}
