package documents

// This file holds reading a column of a Parquet table.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// valuesAtOnce is how many values are taken from a page at once.
const valuesAtOnce = 128

// readTable reads a column of a table; a path within nested ones has dots.
func readTable(in io.ReaderAt, size int64, column string, emit func(Part) error, bad func(int, error) error) (err error) {
	// The library checks much of what it reads, but damaged pages make it panic.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("is no Parquet file that can be read: %v", p)
		}
	}()
	f, err := parquet.OpenFile(in, size, &parquet.FileConfig{
		SkipPageIndex: true, SkipBloomFilters: true, ReadBufferSize: 64 << 10,
	})
	if err != nil {
		return err
	}
	leaf, ok := f.Schema().Lookup(strings.Split(column, ".")...)
	if !ok {
		return fmt.Errorf("has no column %q; it has %s; name another one with --field", column, columns(f))
	}
	if k := leaf.Node.Type().Kind(); leaf.MaxRepetitionLevel > 0 || k != parquet.ByteArray && k != parquet.FixedLenByteArray {
		return fmt.Errorf("column %q is no text", column)
	}
	record := 0
	for _, group := range f.RowGroups() {
		if err := readPages(group.ColumnChunks()[leaf.ColumnIndex].Pages(), &record, emit, bad); err != nil {
			return err
		}
	}
	return nil
}

// columns lists the first columns of a table.
func columns(f *parquet.File) string {
	var names []string
	for _, path := range f.Schema().Columns() {
		names = append(names, strings.Join(path, "."))
	}
	if len(names) > 12 {
		names = append(names[:12], "…")
	}
	return strings.Join(names, ", ")
}

// readPages reads one chunk of the column.
func readPages(pages parquet.Pages, record *int, emit func(Part) error, bad func(int, error) error) (err error) {
	defer func() { err = errors.Join(err, pages.Close()) }()
	values := make([]parquet.Value, valuesAtOnce)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = readPage(page.Values(), values, record, emit, bad)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func readPage(from parquet.ValueReader, values []parquet.Value, record *int, emit func(Part) error, bad func(int, error) error) error {
	for {
		n, err := from.ReadValues(values)
		for _, v := range values[:n] {
			*record++
			var fault error
			switch {
			case v.IsNull():
				fault = errors.New("has no text")
			case len(v.ByteArray()) > MaxRecord:
				fault = errLong
			}
			if fault != nil {
				fault = bad(*record, fault)
			} else {
				fault = emitDocument(bytes.Clone(v.ByteArray()), emit)
			}
			if fault != nil {
				return fault
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("a page has fewer values than it says")
		}
	}
}
