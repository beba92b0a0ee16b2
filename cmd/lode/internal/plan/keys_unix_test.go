//go:build unix

package plan

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lode/cmd/lode/internal/private"
)

// Opening a pipe would wait for somebody to write into it.
func TestPipeIsNoKeyFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadOrCreateKey(pipe); !errors.Is(err, private.ErrFile) || !strings.Contains(err.Error(), "it is no regular file") {
		t.Errorf("got %v", err)
	}
}
