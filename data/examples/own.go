package examples

// This file holds examples that one worker has to itself.

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"lode/data"
	"lode/protocol"
)

// Own is some examples of a set as the records of a run.
type Own struct {
	set    *Set
	of     []int
	length int // of a record, bytes
}

// NewOwn returns those examples as records of that length, of a model that tells so many
// classes apart. Labels that are no numbers must name all classes, so that machines with
// other examples number them alike. It reads none of the examples.
func NewOwn(s *Set, of []int, length, classes int) (*Own, error) {
	own, err := s.recordLen()
	switch {
	case err != nil:
		return nil, err
	case own != length:
		return nil, fmt.Errorf("%w: they have shape %v, which are %d values, and the run's have %d", ErrBad, s.shape, own-1, length-1)
	case len(s.classes) > classes:
		return nil, fmt.Errorf("%w: they have %d classes, the run's model tells %d apart", ErrBad, len(s.classes), classes)
	case len(s.classes) < classes && !s.Numbered():
		return nil, fmt.Errorf("%w: they have %d classes of %d, and which number each has cannot be known: name all of them, in the run's order", ErrBad, len(s.classes), classes)
	}
	return &Own{s, of, length}, nil
}

// Len returns the number of examples.
func (o *Own) Len() int { return len(o.of) }

// Batch returns the examples of these numbers as records, a row each.
func (o *Own) Batch(ctx context.Context, of []int) (data.Batch, error) {
	b := data.Batch{Rows: len(of), Steps: 1, Records: make([]byte, 0, len(of)*o.length)}
	values := make([]float32, o.length-1)
	for _, i := range of {
		if err := ctx.Err(); err != nil {
			return data.Batch{}, err
		}
		var err error
		if b.Records, err = o.set.record(b.Records, values, o.of[i]); err != nil {
			return data.Batch{}, fmt.Errorf("own data: %w", err)
		}
	}
	return b, nil
}

// Check reads every example once. What cannot be read is an error, or left out if skip
// is set, and returned; values that are not within 0 and 1 are an error.
func (o *Own) Check(ctx context.Context, skip bool) (bad []Fault, num int, err error) {
	var found faults
	var record []byte
	values, good := make([]float32, o.length-1), make([]int, 0, len(o.of))
	for _, i := range o.of {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		var err error
		if record, err = o.set.record(record[:0], values, i); err == nil {
			good = append(good, i)
		} else if err := found.add(err, skip); err != nil {
			return nil, 0, err
		}
	}
	if o.of = good; len(good) == 0 {
		return nil, 0, fmt.Errorf("%w: none is left of %d", ErrBad, found.num)
	}
	return found.first, found.num, nil
}

// Classes returns the names of the classes in the order of their numbers, none if they
// are the numbers.
func (o *Own) Classes() []string {
	if o.set.Numbered() {
		return nil
	}
	return o.set.Classes()
}

// Write writes the examples as records.
func (o *Own) Write(w io.Writer) error { return WriteSome(w, o.set, o.of) }

// OpenRecords opens a file of records as the examples of a run: of that shape, in so many
// classes, whose names are their numbers.
func OpenRecords(name string, shape []int, classes int) (*Set, error) {
	c, size, err := openContent(name)
	if err != nil {
		return nil, fmt.Errorf("examples: %w", err)
	}
	r := records{name, c, 1 + product(shape)}
	s := &Set{shape: shape, names: []string{name}, parts: []part{{0, r}}}
	for i := range classes {
		s.classes = append(s.classes, strconv.Itoa(i))
	}
	if err := r.labels(s, size); err != nil {
		c.Close()
		return nil, fmt.Errorf("examples: %w", err)
	}
	return s, nil
}

// records are the records in a file.
type records struct {
	name    string
	content content
	length  int
}

func (r records) Close() error { return r.content.Close() }

// labels reads the class of every record of a file of that size.
func (r records) labels(s *Set, size int64) error {
	num := size / int64(r.length)
	switch {
	case size%int64(r.length) != 0:
		return wholeFile(r.name, "%d bytes are no whole number of records of %d", size, r.length)
	case num < 1 || num > MaxExamples:
		return wholeFile(r.name, "%d records, want 1 to %d", num, MaxExamples)
	}
	var b [1]byte
	for i := range num {
		if _, err := r.content.ReadAt(b[:], i*int64(r.length)); err != nil {
			return wholeFile(r.name, "%v", err)
		}
		if int(b[0]) >= len(s.classes) {
			return Fault{r.name, int(i), fmt.Sprintf("class %d, there are %d", b[0], len(s.classes))}
		}
		s.labels, s.groups = append(s.labels, int32(b[0])), append(s.groups, 0)
	}
	return nil
}

// read implements source.
func (r records) read(dst []float32, i int) error {
	b := make([]byte, r.length-1)
	if _, err := r.content.ReadAt(b, int64(i)*int64(r.length)+1); err != nil {
		return Fault{r.name, i, err.Error()}
	}
	for j, v := range b {
		dst[j] = float32(v) / 255
	}
	return nil
}

const _ = uint(MaxValues - protocol.MaxRecord) // every record is an example
