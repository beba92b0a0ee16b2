package examples

// This file holds how a path becomes a set.

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lode/data"
)

// Options say how a path is read. The zero value refuses what is bad.
type Options struct {
	Skip bool // leave out what is bad
	// Target is the column of a table that is to be predicted; "" takes the one named
	// label, or else the last.
	Target string
	// Numbers says that targets are numbers, not labels.
	Numbers bool
	// Classes names the labels there may be, in the order of their numbers; others are
	// bad. None: those that are found.
	Classes []string
}

// Open opens the examples at path: an IDX or CSV file, a folder of such, or a folder
// of PNGs.
func Open(path string, o Options) (*Set, error) {
	if len(o.Classes) > MaxClasses {
		return nil, fmt.Errorf("examples: %d classes, at most %d", len(o.Classes), MaxClasses)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("examples: %w", err)
	}
	b := &builder{Options: o, set: &Set{}, numbers: map[string]int32{}}
	if info.IsDir() {
		err = b.folder(path)
	} else {
		err = b.files(path)
	}
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("examples: %w", err), b.set.Close())
	}
	return b.set, nil
}

func isTable(name string) bool {
	return strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".csv.gz")
}

func isImages(name string) bool { return strings.Contains(filepath.Base(name), "images") }

// folder opens a folder: the first of IDX files, tables and pictures that it holds.
func (b *builder) folder(path string) error {
	entries, err := list(path)
	if err != nil {
		return err
	}
	for _, is := range []func(string) bool{isImages, isTable} {
		var names []string
		for _, e := range entries {
			if e.Type().IsRegular() && is(e.Name()) {
				names = append(names, filepath.Join(path, e.Name()))
			}
		}
		if len(names) > 0 {
			return b.files(names...)
		}
	}
	return b.pictures(path, entries)
}

// list returns what a folder holds, in the byte order of names.
func list(path string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(path)
	return slices.DeleteFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }), err
}

// leftOut says that links were not followed, if there are any: one in a folder from
// elsewhere could lead to what nobody means to hand on.
func leftOut(entries []os.DirEntry) string {
	if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Type()&os.ModeSymlink != 0 }) {
		return ""
	}
	return "; links in a folder are not followed: copy the files, or name one of them"
}

// files opens files that each hold many examples.
func (b *builder) files(names ...string) error {
	for _, name := range names {
		open := b.idx
		if isTable(name) {
			open = b.table
		} else if !isImages(name) {
			return wholeFile(name, "neither a .csv file nor IDX images with labels beside them")
		}
		b.group(filepath.Base(name))
		if err := b.set.faults.add(open(name), b.Skip); err != nil {
			return err
		}
	}
	return nil
}

// builder makes a set.
type builder struct {
	Options
	set     *Set
	numbers map[string]int32 // of labels, in the order they were met
	found   []string         // labels, in that order
	columns []string         // of the tables so far
}

// group begins a group.
func (b *builder) group(name string) { b.set.names = append(b.set.names, name) }

// begin begins a part of the set.
func (b *builder) begin(s source) { b.set.parts = append(b.set.parts, part{b.set.Len(), s}) }

// add adds an example of the last part and group.
func (b *builder) add(target string) error {
	if b.set.Len() == MaxExamples {
		return fmt.Errorf("more than %d examples", MaxExamples)
	}
	if b.Numbers {
		v, err := number(target)
		if err != nil {
			return fmt.Errorf("target %w", err)
		}
		b.set.targets = append(b.set.targets, v)
	} else {
		n, err := b.label(target)
		if err != nil {
			return err
		}
		b.set.labels = append(b.set.labels, n)
	}
	b.set.groups = append(b.set.groups, int32(len(b.set.names)-1))
	return nil
}

// label returns the number of a label, as long as not all are known.
func (b *builder) label(name string) (int32, error) {
	n, ok := b.numbers[name]
	switch {
	case ok:
		return n, nil
	case len(b.Classes) > 0 && !slices.Contains(b.Classes, name):
		return 0, fmt.Errorf("label %.40q is none of those named", name)
	case len(b.found) == MaxClasses:
		return 0, fmt.Errorf("more than %d labels", MaxClasses)
	case len(name) > 256:
		return 0, fmt.Errorf("a label of %d bytes", len(name))
	}
	n = int32(len(b.found))
	b.numbers[strings.Clone(name)] = n
	b.found = append(b.found, strings.Clone(name))
	return n, nil
}

// finish numbers the labels.
func (b *builder) finish() error {
	if err := b.set.check(); err != nil || b.Numbers {
		return err
	}
	classes := b.Classes
	if len(classes) == 0 {
		classes = classesOf(b.found)
	}
	to := make([]int32, len(b.found))
	for i, name := range classes {
		if n, ok := b.numbers[name]; ok {
			to[n] = int32(i)
		}
	}
	for i, n := range b.set.labels {
		b.set.labels[i] = to[n]
	}
	b.set.classes = slices.Clone(classes)
	return nil
}

// classesOf returns the classes of the labels that were found.
func classesOf(found []string) []string {
	most := 0
	for _, name := range found {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 || n >= MaxClasses || strconv.Itoa(n) != name {
			return slices.Sorted(slices.Values(found))
		}
		most = max(most, n)
	}
	classes := make([]string, most+1)
	for i := range classes {
		classes[i] = strconv.Itoa(i)
	}
	return classes
}

// number reads a finite number.
func number(s string) (float32, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 32)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("is %.40q, want a finite number", s)
	}
	return float32(v), nil
}

// content is what a file holds: itself, or if it is compressed a copy in memory.
type content interface {
	io.ReaderAt
	io.Closer
}

// openContent opens a file and returns its length when unpacked.
func openContent(name string) (content, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, wholeFile(name, "%v", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, wholeFile(name, "%v", err)
	}
	if strings.HasSuffix(name, ".gz") {
		defer f.Close()
		return unpack(name, f, info.Size())
	}
	return f, info.Size(), nil
}

// unpack takes memory as bytes come, not as a header says.
func unpack(name string, r io.Reader, size int64) (content, int64, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, 0, wholeFile(name, "not compressed by gzip: %v", err)
	}
	var all strings.Builder
	n, err := io.Copy(&all, io.LimitReader(data.Unpacked(z, size), maxMemory+1))
	switch {
	case n > maxMemory:
		return nil, 0, wholeFile(name, "more than %d GiB when unpacked: unpack the file", maxMemory>>30)
	case errors.Is(err, data.ErrRatio):
		return nil, 0, wholeFile(name, "%v: unpack the file", err)
	case err != nil:
		return nil, 0, wholeFile(name, "cannot be unpacked: %v", err)
	}
	return unpacked{strings.NewReader(all.String())}, n, nil
}

type unpacked struct{ *strings.Reader }

func (unpacked) Close() error { return nil }
