//go:build !unix

package process

// This file says where memory cannot be shared yet.

import (
	"errors"
	"os"
	"os/exec"
)

// Memory is a run of float32 that a process shares.
type Memory struct{ file *os.File }

var errNoMemory = errors.New("engines in another process need Linux, macOS or another Unix")

// NewMemory fails: there is none to share here.
func NewMemory() (*Memory, error) { return nil, errNoMemory }

// Grow fails: there is none to share here.
func (m *Memory) Grow(int) ([]float32, error) { return nil, errNoMemory }

// Close does nothing.
func (m *Memory) Close() error { return nil }

func ownGroup(*exec.Cmd) {}

func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }
