package examples

// This file holds the set of examples, whatever it was read from.

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"

	"lode/data/split"
)

// Bounds on a set.
const (
	MaxExamples = 1 << 26
	MaxClasses  = 1 << 16
	MaxValues   = 1 << 24 // of one example
	maxMemory   = 1 << 32 // bytes of a compressed file, or of a set that is loaded
)

// Set is labelled examples of one shape. [Open] makes one.
type Set struct {
	shape   []int
	classes []string  // nil: targets are numbers
	labels  []int32   // of each example, or nil
	targets []float32 // of each example, or nil
	groups  []int32   // of each example
	names   []string  // of groups
	parts   []part    // in the order of their first examples
	faults  faults
	scale   Scale // none: values are as they were read
}

// part is the examples of a set from first on that one source has.
type part struct {
	first int
	source
}

// source has what is to be seen of some examples, numbered from 0.
type source interface {
	read(dst []float32, i int) error
	io.Closer
}

// Len returns the number of examples.
func (s *Set) Len() int { return len(s.groups) }

// Shape returns the shape of every example.
func (s *Set) Shape() []int { return s.shape }

// Classes returns the names of the labels, in the order of their numbers; none where
// targets are numbers.
func (s *Set) Classes() []string { return s.classes }

// Numbered reports whether every class is called by its number.
func (s *Set) Numbered() bool {
	for i, name := range s.classes {
		if name != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// Label returns the number of example i's class, 0 where targets are numbers.
func (s *Set) Label(i int) int {
	if s.labels == nil {
		return 0
	}
	return int(s.labels[i])
}

// Target returns the number that is to be predicted of example i, where targets are
// numbers.
func (s *Set) Target(i int) float32 { return s.targets[i] }

// Groups returns the names of the files or folders that examples came from.
func (s *Set) Groups() []string { return s.names }

// Group returns the number of example i's group.
func (s *Set) Group(i int) int { return int(s.groups[i]) }

// Skipped returns what was left out because it is bad, at most the first hundred,
// and how much that was in all.
func (s *Set) Skipped() ([]Fault, int) { return s.faults.first, s.faults.num }

// Examples returns of each example what splits look at.
func (s *Set) Examples() []split.Example {
	all := make([]split.Example, s.Len())
	for i := range all {
		all[i] = split.Example{Label: s.Label(i), Group: s.Group(i)}
	}
	return all
}

// Read writes example i to dst, whose length is the product of the shape. After an
// error dst is undefined.
func (s *Set) Read(dst []float32, i int) error {
	if len(dst) != product(s.shape) || i < 0 || i >= s.Len() {
		panic(fmt.Sprintf("examples: example %d of %d into %d values, shape %v", i, s.Len(), len(dst), s.shape))
	}
	p := s.parts[sort.Search(len(s.parts), func(p int) bool { return s.parts[p].first > i })-1]
	if err := p.read(dst, i-p.first); err != nil {
		return err
	}
	s.scale.apply(dst, s.shape)
	return nil
}

// Close closes the files. A set that Load or Standardise made of another shares them
// with it, and one of them is closed.
func (s *Set) Close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// Load returns the set with all that is to be seen in memory, and closes s. What
// cannot be read is an error, or left out if skip is set. After an error s is closed
// as well.
func (s *Set) Load(skip bool) (*Set, error) {
	defer s.Close()
	size := product(s.shape)
	if s.Len()*size*4 > maxMemory {
		return nil, fmt.Errorf("examples: %d examples of %d values are more than %d GiB in memory", s.Len(), size, maxMemory>>30)
	}
	out := *s
	out.labels, out.targets, out.groups, out.scale = nil, nil, nil, Scale{}
	out.faults = s.faults.clone()
	vals := memory{make([]float32, 0, s.Len()*size), size}
	for i := range s.Len() {
		n := len(vals.vals)
		if err := s.Read(vals.vals[n:n+size], i); err != nil {
			if err := out.faults.add(err, skip); err != nil {
				return nil, err
			}
			continue
		}
		vals.vals = vals.vals[:n+size]
		out.take(s, i)
	}
	out.parts = []part{{0, vals}}
	return &out, out.check()
}

// take adds example i of another set, but for what is to be seen.
func (s *Set) take(from *Set, i int) {
	s.groups = append(s.groups, from.groups[i])
	if from.labels != nil {
		s.labels = append(s.labels, from.labels[i])
	} else {
		s.targets = append(s.targets, from.targets[i])
	}
}

// check refuses a set of none.
func (s *Set) check() error {
	if s.Len() > 0 {
		return nil
	}
	if len(s.faults.first) > 0 {
		return fmt.Errorf("%w: none is left of %d, the first: %w", ErrBad, s.faults.num, s.faults.first[0])
	}
	return fmt.Errorf("%w: there are none", ErrBad)
}

// memory is a source in memory.
type memory struct {
	vals []float32
	size int // of an example
}

func (m memory) read(dst []float32, i int) error {
	copy(dst, m.vals[i*m.size:])
	return nil
}

func (memory) Close() error { return nil }

// product returns the number of values of a shape, which is within bounds.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// checkShape refuses shapes that are empty or too large, without overflow.
func checkShape(shape []int) error {
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxValues/n {
			return fmt.Errorf("examples of shape %v, want 1 to %d values", shape, MaxValues)
		}
		n *= d
	}
	return nil
}

// has tells whether the shape is already known, or sets it.
func (s *Set) has(shape []int) error {
	if s.shape == nil {
		if err := checkShape(shape); err != nil {
			return err
		}
		s.shape = shape
	}
	if !slices.Equal(s.shape, shape) {
		return fmt.Errorf("shape %v, others have %v", shape, s.shape)
	}
	return nil
}
