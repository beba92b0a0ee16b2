package main

// This file tests what lode up passes on of its processes' logs.

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	add := func(lines string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.WriteString(lines); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(w *warnings, want ...string) {
		t.Helper()
		if got, _ := w.next(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	absent := newWarnings(path)
	expect(absent)
	add(`{"level":"warn","message":"old"}` + "\n")
	w := newWarnings(path)
	expect(w)
	add("lode: some words\n" + `{"level":"info","message":"well"}` + "\n" + `{"level":"error","error":"no disk","mess`)
	expect(w)
	add(`age":"nothing kept"}` + "\n" + `{"level":"error","error":"no disk still","message":"nothing kept"}` + "\n")
	add(`{"level":"warn","because":"too old","message":"no card"}` + "\n")
	expect(w, "nothing kept: no disk", "nothing kept: no disk still", "no card: too old")
	expect(w)
	expect(absent, "old", "nothing kept: no disk", "nothing kept: no disk still", "no card: too old")
	add(strings.Repeat("x", 2*maxLog) + "\n" + `{"level":"warn","message":"after much"}` + "\n")
	expect(w)
	expect(w)
	expect(w, "after much")
}
