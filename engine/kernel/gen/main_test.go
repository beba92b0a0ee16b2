package main

import (
	"os"
	"testing"
)

// TestGeneratedFilesAreCurrent: what is checked in is what the source writes.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for name, want := range generate() {
		got, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s differs: run go generate in package kernel", name)
		}
	}
}
