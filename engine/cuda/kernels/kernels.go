package kernels

// This file holds the files of the package.

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed *.cu *.cuh
var sources embed.FS

//go:embed ptx/*.ptx
var made embed.FS

// Names returns the operations: the names of the .cu files, without that.
func Names() (names []string) {
	files, err := fs.Glob(sources, "*.cu")
	if err != nil {
		panic(err) // the pattern is well-formed
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".cu"))
	}
	slices.Sort(names)
	return names
}

// Source returns the CUDA C of an operation.
func Source(name string) string { return read(sources, name+".cu") }

// Headers returns what sources may include, by file name.
func Headers() map[string]string {
	files, err := fs.Glob(sources, "*.cuh")
	if err != nil {
		panic(err) // the pattern is well-formed
	}
	all := map[string]string{}
	for _, f := range files {
		all[f] = read(sources, f)
	}
	return all
}

// PTX returns what was made of an operation.
func PTX(name string) string { return read(made, path.Join("ptx", name+".ptx")) }

// Digest says what PTX must be made of: the first line of its file.
func Digest(name string) string {
	h := sha256.New()
	headers := Headers()
	for _, f := range slices.Sorted(keys(headers)) {
		fmt.Fprintf(h, "%s %d\n%s", f, len(headers[f]), headers[f])
	}
	fmt.Fprintf(h, "%s", Source(name))
	return "// made of sources with SHA-256 " + hex.EncodeToString(h.Sum(nil))
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func read(from embed.FS, name string) string {
	b, err := from.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("kernels: %v", err))
	}
	return string(b)
}
