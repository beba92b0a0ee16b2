package examples

// This file reads CSV (RFC 4180).

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	maxRecord  = 1 << 20 // bytes of a line
	maxColumns = 1 << 16
)

// table is one CSV file.
type table struct {
	name    string
	content content
	target  int     // column
	starts  []int64 // of each record
	ends    []int64
	lines   []int
}

func (t *table) Close() error { return t.content.Close() }

// read implements source.
func (t *table) read(dst []float32, i int) error {
	fields, err := csv.NewReader(io.NewSectionReader(t.content, t.starts[i], t.ends[i]-t.starts[i])).Read()
	if err == nil && len(fields) != len(dst)+1 {
		err = fmt.Errorf("%d fields, want %d", len(fields), len(dst)+1)
	}
	if err == nil {
		err = t.numbers(dst, fields)
	}
	if err != nil {
		return Fault{t.name, t.lines[i], err.Error()}
	}
	return nil
}

// numbers reads all fields but the target.
func (t *table) numbers(dst []float32, fields []string) (err error) {
	rest := slices.Concat(fields[:t.target], fields[t.target+1:])
	for c, s := range rest {
		if dst[c], err = number(s); err != nil {
			if c >= t.target {
				c++
			}
			return fmt.Errorf("column %d %w", c+1, err)
		}
	}
	return nil
}

// table adds a CSV file.
func (b *builder) table(name string) error {
	c, size, err := openContent(name)
	if err != nil {
		return err
	}
	t := &table{name: name, content: c}
	b.begin(t)
	return b.records(t, size)
}

// records adds the records of a table of that length.
func (b *builder) records(t *table, size int64) error {
	limit := &limited{r: io.NewSectionReader(t.content, 0, size)}
	r := csv.NewReader(limit)
	r.ReuseRecord = true
	if err := b.columnsOf(t, r); err != nil {
		return wholeFile(t.name, "%v", err)
	}
	vals := make([]float32, len(b.columns)-1)
	for {
		start := r.InputOffset()
		limit.start = start
		fields, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if bad := (*csv.ParseError)(nil); err != nil && !errors.As(err, &bad) {
			return wholeFile(t.name, "%v", err) // it would come again and again
		}
		line := lineOf(r, fields, err)
		if err == nil {
			err = t.numbers(vals, fields)
		}
		if err == nil {
			err = b.add(strings.TrimSpace(fields[t.target]))
		}
		if err == nil {
			t.starts, t.ends, t.lines = append(t.starts, start), append(t.ends, r.InputOffset()), append(t.lines, line)
		} else if err := b.set.faults.add(Fault{t.name, line, err.Error()}, b.Skip); err != nil {
			return err
		}
	}
}

// lineOf returns the line that a record begins in.
func lineOf(r *csv.Reader, fields []string, err error) int {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return p.StartLine
	}
	if len(fields) == 0 {
		return 0
	}
	line, _ := r.FieldPos(0)
	return line
}

// columnsOf reads the first line, and finds the target.
func (b *builder) columnsOf(t *table, r *csv.Reader) error {
	names, err := r.Read()
	if err == io.EOF {
		return errors.New("no line that names the columns")
	}
	if err != nil {
		return err
	}
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = strings.TrimSpace(strings.TrimPrefix(n, "\ufeff"))
	}
	if len(names) < 2 || len(names) > maxColumns {
		return fmt.Errorf("%d columns, want 2 to %d", len(names), maxColumns)
	}
	if b.columns == nil {
		b.columns = names
	}
	if !slices.Equal(names, b.columns) {
		return fmt.Errorf("columns %.80q, others have %.80q", names, b.columns)
	}
	if t.target, err = b.targetOf(names); err != nil {
		return err
	}
	return b.set.has([]int{len(names) - 1})
}

// targetOf returns the column that is to be predicted.
func (b *builder) targetOf(names []string) (int, error) {
	if b.Target != "" {
		i := slices.Index(names, b.Target)
		if i < 0 {
			return 0, fmt.Errorf("no column %.40q; there are %.200q", b.Target, names)
		}
		return i, nil
	}
	if i := slices.Index(names, "label"); i >= 0 {
		return i, nil
	}
	return len(names) - 1, nil
}

var errLong = fmt.Errorf("a record of more than %d bytes: is a quotation mark open?", maxRecord)

// limited ends reading in a record that is too long, which a csv.Reader would hold
// whole.
type limited struct {
	r     io.Reader
	n     int64 // bytes read
	start int64 // of the record at hand
}

func (l *limited) Read(p []byte) (int, error) {
	if l.n-l.start > maxRecord {
		return 0, errLong
	}
	n, err := l.r.Read(p)
	l.n += int64(n)
	return n, err
}
