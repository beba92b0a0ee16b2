package replica

// This file holds piles: where a round's updates lie once they are opened.

import (
	"errors"
	"fmt"
	"io"
	"os"

	"lode/aggregation"
	"lode/gradient"
)

// Scratch makes a file for what can be made again: nobody else sees it, and it is
// gone once it is closed.
type Scratch func() (ScratchFile, error)

// ScratchFile is read and written anywhere, by several goroutines.
type ScratchFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// ScratchIn returns a Scratch whose files lie in dir, "" for the system's folder for
// them. A process that is killed leaves none where open files can be removed.
func ScratchIn(dir string) Scratch {
	return func() (ScratchFile, error) {
		f, err := os.CreateTemp(dir, "updates-*.tmp")
		if err != nil {
			return nil, err
		}
		return scratchFile{f, os.Remove(f.Name()) == nil}, nil
	}
}

type scratchFile struct {
	*os.File
	removed bool
}

// Close implements io.Closer.
func (f scratchFile) Close() error {
	err := f.File.Close()
	if !f.removed {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// Pile keeps updates: their plain forms behind one another in a file, so that memory
// does not grow with their number, or in memory where there is no Scratch. It belongs
// to one goroutine; what it gives out may be read by several until it is closed.
type Pile struct {
	scratch Scratch
	file    ScratchFile // nil before the first update
	used    int64
}

// NewPile returns an empty pile, which makes a file when it needs one. s may be nil.
func NewPile(s Scratch) *Pile { return &Pile{scratch: s} }

// Add puts an update on the pile and returns what to read it by.
func (p *Pile) Add(u *gradient.Update) (aggregation.Source, error) {
	if p.scratch == nil {
		return u, nil
	}
	if p.file == nil {
		var err error
		if p.file, err = p.scratch(); err != nil {
			return nil, fmt.Errorf("file for a round's updates: %w", err)
		}
	}
	n, err := p.file.WriteAt(u.Plain(), p.used)
	if err != nil {
		return nil, fmt.Errorf("put an update aside: %w", err)
	}
	at := io.NewSectionReader(p.file, p.used, int64(n))
	p.used += int64(n)
	stored, err := gradient.NewStored(u.Layout(), u.Params(), at)
	if err != nil {
		return nil, err
	}
	return stored, nil
}

// Close gives up the file. A nil pile has none.
func (p *Pile) Close() error {
	if p == nil || p.file == nil {
		return nil
	}
	return p.file.Close()
}
