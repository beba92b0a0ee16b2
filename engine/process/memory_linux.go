package process

// This file holds files in memory.

import (
	"os"

	"golang.org/x/sys/unix"
)

// anonymous returns an empty file in memory.
func anonymous() (*os.File, error) {
	fd, err := unix.MemfdCreate("lode", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}

// reserve makes a file at least that long, all zeros. Its pages are there, and nobody
// who has the file can shorten it: using one cannot fail.
func reserve(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fd := int(f.Fd())
	if info.Size() > 0 {
		if err := unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, info.Size()); err != nil {
			return os.NewSyscallError("fallocate", err)
		}
	}
	if err := unix.Fallocate(fd, 0, 0, size); err != nil {
		return os.NewSyscallError("fallocate", err)
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK)
	return os.NewSyscallError("fcntl", err)
}
