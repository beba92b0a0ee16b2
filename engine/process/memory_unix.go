//go:build unix

package process

// This file holds memory that two processes share, and groups of processes.

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory is a run of float32 that a process shares. The zero Memory cannot be used.
type Memory struct {
	file *os.File
	data []byte
}

// NewMemory returns memory of no length.
func NewMemory() (*Memory, error) {
	f, err := anonymous()
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	return &Memory{file: f}, nil
}

// Grow gives the memory its length, and returns its values: zeros. Those from before
// may not be used any more. The file may be longer. It fails where the machine has not that much.
func (m *Memory) Grow(values int) ([]float32, error) {
	if values < 1 || values > math.MaxInt/4 {
		return nil, fmt.Errorf("shared memory: %d values", values)
	}
	size := int64(values) * 4
	if err := m.unmap(); err != nil {
		return nil, err
	}
	if err := reserve(m.file, size); err != nil {
		return nil, fmt.Errorf("shared memory of %d bytes: %w", size, err)
	}
	data, err := unix.Mmap(int(m.file.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("shared memory of %d bytes: %w", size, err)
	}
	m.data = data
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(data))), values), nil // a map begins at a page
}

// Close frees the memory here; its values may not be used any more.
func (m *Memory) Close() error {
	if err := m.unmap(); err != nil {
		return err
	}
	return m.file.Close()
}

func (m *Memory) unmap() error {
	if m.data == nil {
		return nil
	}
	if err := unix.Munmap(m.data); err != nil {
		return fmt.Errorf("shared memory: %w", err)
	}
	m.data = nil
	return nil
}

// ownGroup keeps the terminal's signals from a command, and lets killGroup find what
// it starts.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a command that was not waited for, and what it started.
func killGroup(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // it may be over
