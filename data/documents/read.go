package documents

// This file holds reading a set: file after file, in parts, from any part on.

import (
	"context"
	"fmt"
)

// Bounds on what is read at once, bytes.
const (
	MaxPart   = 1 << 20  // longest part
	MaxRecord = 16 << 20 // longest record
	fullBatch = 256 << 10
)

// Options are what a user decides about documents.
type Options struct {
	Field  string      // of JSON records and tables; "" is "text"
	Refuse bool        // the first fault ends reading
	Tell   func(Fault) // hears of each fault; nil: nobody does
}

// Fault is a bad file, or a bad record in one.
type Fault struct {
	Path   string
	Record int   // counted from 1; 0: the file
	Kept   int64 // of a bad file: bytes of text before the fault, which stay
	Why    error
}

// Error implements error.
func (f Fault) Error() string {
	if f.Record > 0 {
		return fmt.Sprintf("%s: record %d: %v", f.Path, f.Record, f.Why)
	}
	if f.Kept > 0 {
		return fmt.Sprintf("%s: %v; %d bytes of text before that are kept", f.Path, f.Why, f.Kept)
	}
	return fmt.Sprintf("%s: %v", f.Path, f.Why)
}

// Unwrap returns the cause.
func (f Fault) Unwrap() error { return f.Why }

// Position is a place in a set: behind so many parts of a file.
type Position struct{ File, Part int }

// Tally counts what was read.
type Tally struct {
	Documents  int64
	Bytes      int64 // of their text
	BadFiles   int64
	BadRecords int64
}

// Part is a document, or the next part of one.
type Part struct {
	Text  []byte
	First bool // a document begins with it
}

// Batch is parts that follow one another.
type Batch struct {
	Parts []Part
	Next  Position // where reading goes on behind them
	Tally Tally    // with them
}

// reader is one pass through a set.
type reader struct {
	set   *Set
	opt   Options
	each  func(*Batch) error
	at    Position
	tally Tally
	skip  int // parts of this file that were read before
	batch *Batch
	size  int // of the batch
}

// Read hands the documents from a position on to each, in batches. before is the
// tally at that position. It returns the whole tally. An error of each ends it, and
// so does a fault, if Options say so.
func (s *Set) Read(ctx context.Context, opt Options, from Position, before Tally, each func(*Batch) error) (Tally, error) {
	if opt.Field == "" {
		opt.Field = "text"
	}
	r := &reader{set: s, opt: opt, each: each, tally: before, skip: from.Part, batch: &Batch{}}
	for i := from.File; i < len(s.Files); i++ {
		r.at = Position{File: i}
		if err := r.file(ctx, s.Files[i]); err != nil {
			return r.tally, err
		}
		r.at, r.skip = Position{File: i + 1}, 0
	}
	return r.tally, r.flush()
}

// file reads one file.
func (r *reader) file(ctx context.Context, f File) error {
	var stop error // what ends reading altogether
	var kept int64
	emit := func(p Part) error {
		kept += int64(len(p.Text))
		if stop = ctx.Err(); stop == nil {
			stop = r.take(p)
		}
		return stop
	}
	bad := func(record int, why error) error {
		if r.skip == 0 {
			r.tally.BadRecords++
			stop = r.fault(Fault{Path: f.Path, Record: record, Why: why})
		}
		return stop
	}
	err := f.read(r.opt.Field, emit, bad)
	if stop != nil {
		return stop
	}
	if err == nil {
		return nil
	}
	r.tally.BadFiles++
	return r.fault(Fault{Path: f.Path, Kept: kept, Why: err})
}

func (r *reader) fault(f Fault) error {
	if r.opt.Refuse {
		return f
	}
	if r.opt.Tell != nil {
		r.opt.Tell(f)
	}
	return nil
}

// take puts a part into the batch, unless it was read before.
func (r *reader) take(p Part) error {
	r.at.Part++
	if r.skip > 0 {
		r.skip--
		return nil
	}
	if p.First {
		r.tally.Documents++
	}
	r.tally.Bytes += int64(len(p.Text))
	r.batch.Parts = append(r.batch.Parts, p)
	if r.size += len(p.Text); r.size < fullBatch {
		return nil
	}
	return r.flush()
}

func (r *reader) flush() error {
	b := r.batch
	b.Next, b.Tally = r.at, r.tally
	r.batch, r.size = &Batch{}, 0
	if len(b.Parts) == 0 {
		return nil
	}
	return r.each(b)
}
