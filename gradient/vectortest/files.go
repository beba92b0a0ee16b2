package vectortest

// This file holds the files.

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// atLeast is how many vectors a file must have to be believed.
const atLeast = 20

// Golden compares got with the file of that name, or writes it anew.
func Golden(tb testing.TB, update bool, name, got string) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if update {
		write(tb, path, []byte(got))
	}
	want, err := os.ReadFile(path)
	if err != nil || len(want) == 0 {
		tb.Fatalf("nothing golden: %v", err)
	}
	if got != string(want) {
		tb.Errorf("got\n%swant\n%s", got, want)
	}
}

// Keep returns the vectors of the file of that name, as many as there are now, which
// may be written to it before.
func Keep[T any](tb testing.TB, update bool, name string, now []T) []T {
	tb.Helper()
	if update {
		var b bytes.Buffer // one a line
		for i, v := range now {
			line, err := json.Marshal(v)
			if err != nil {
				tb.Fatal(err)
			}
			b.WriteString([]string{"[\n", ",\n"}[min(i, 1)])
			b.Write(line)
		}
		b.WriteString("\n]\n")
		write(tb, pathOf(name), b.Bytes())
	}
	kept := Read[T](tb, name)
	if len(kept) != len(now) {
		tb.Fatalf("%d vectors in %s, %d are made: run go test -update", len(kept), name, len(now))
	}
	return kept
}

// Read returns the vectors of the file of that name.
func Read[T any](tb testing.TB, name string) (all []T) {
	tb.Helper()
	b, err := os.ReadFile(pathOf(name))
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil || len(all) < atLeast {
		tb.Fatalf("%d vectors in %s: %v", len(all), name, err)
	}
	return all
}

func pathOf(name string) string { return filepath.Join("testdata", "vectors", name) }

func write(tb testing.TB, path string, b []byte) {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		tb.Fatal(err)
	}
}
