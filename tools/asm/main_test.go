package main

// This file holds what is checked in to what the generator writes.

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestWritten(t *testing.T) {
	kernel := filepath.Join("..", "..", "gradient", "kernel")
	for part, names := range map[string][2]string{
		"encode": {"kernel_amd64.s", "stubs_amd64.go"},
		"merge":  {"merge_amd64.s", "merge_stubs_amd64.go"},
	} {
		dir := t.TempDir()
		asm, stubs := filepath.Join(dir, names[0]), filepath.Join(dir, names[1])
		cmd := exec.Command("go", "run", ".", "-part", part, "-out", asm, "-stubs", stubs, "-pkg", "kernel")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", part, err, out)
		}
		for _, name := range names {
			got, want := body(t, filepath.Join(dir, name)), body(t, filepath.Join(kernel, name))
			if len(got) == 0 || !bytes.Equal(got, want) {
				t.Errorf("%s is not what is written now: go generate ./gradient/kernel", name)
			}
		}
	}
}

// body returns a file without its first line, which says how it was written.
func body(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	return rest
}
