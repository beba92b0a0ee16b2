package examples

// This file holds what is bad.

import (
	"errors"
	"fmt"
	"slices"
)

// ErrBad is wrapped by every error about what files hold.
var ErrBad = errors.New("bad examples")

// Fault is a file or a record that cannot be used, and why.
type Fault struct {
	File   string
	Record int // line of a table, number of an example from 0; −1: the whole file
	Why    string
}

// Error implements error.
func (f Fault) Error() string {
	if f.Record < 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Why)
	}
	return fmt.Sprintf("%s: record %d: %s", f.File, f.Record, f.Why)
}

// Unwrap returns ErrBad.
func (Fault) Unwrap() error { return ErrBad }

// wholeFile returns the fault of a file.
func wholeFile(name, format string, args ...any) Fault {
	return Fault{name, -1, fmt.Sprintf(format, args...)}
}

// maxFaults bounds the faults that are kept, not how many there may be.
const maxFaults = 100

type faults struct {
	first []Fault
	num   int
}

// add notes a fault if such may be skipped, and returns all other errors.
func (f *faults) add(err error, skip bool) error {
	var fault Fault
	if !skip || !errors.As(err, &fault) {
		return err
	}
	f.num++
	if len(f.first) < maxFaults {
		f.first = append(f.first, fault)
	}
	return nil
}

func (f faults) clone() faults { return faults{slices.Clone(f.first), f.num} }
