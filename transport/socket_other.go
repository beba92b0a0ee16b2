//go:build !linux

package transport

// This file stands in where no buffer can be had above the machine's limit.

import "syscall"

func forceBuffers(syscall.RawConn) {}
