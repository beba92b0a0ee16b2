package documents

// This file holds opening a file: what its name says it is, unpacked, within
// bounds.

import (
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"lode/data"
)

const maxWindow = 128 << 20 // of zstd, which it keeps in memory

// read reads the documents of a file.
func (f File) read(field string, emit func(Part) error, bad func(int, error) error) (err error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in, done, err := unpack(file, f.packed, f.Size)
	if err != nil {
		return err
	}
	defer done()
	switch f.format {
	case jsonLines:
		return readLines(in, field, emit, bad)
	case parquetTable:
		if f.packed == unpacked {
			return readTable(file, f.Size, field, emit, bad)
		}
		return spread(in, func(whole *os.File, size int64) error { return readTable(whole, size, field, emit, bad) })
	default:
		return readText(in, emit)
	}
}

// unpack returns what a packed stream of that size holds.
func unpack(in io.Reader, p packing, size int64) (io.Reader, func(), error) {
	switch p {
	case gzipped:
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, err
		}
		return data.Unpacked(z, size), func() {}, nil
	case zstandard:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return data.Unpacked(z, size), z.Close, nil
	}
	return in, func() {}, nil
}

// spread writes a stream to a file that is gone afterwards: tables are read from
// their end.
func spread(in io.Reader, use func(whole *os.File, size int64) error) (err error) {
	f, err := os.CreateTemp("", "lode-table-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	size, err := io.Copy(f, in)
	if err != nil {
		return err
	}
	return use(f, size)
}
