package plan

// This file holds faults: what is wrong with a run.yaml, and where.

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxFaults is how many faults are kept: nobody mends more at once.
const maxFaults = 50

// Fault is one thing that is wrong with a run.yaml.
type Fault struct {
	// Line and Column count from 1; both are 0 for a default that does not go
	// with what the file says.
	Line, Column int
	Field        string // dotted path, "" if the fault is not one field's
	Text         string
}

// String returns the fault as one line, its place in front as compilers have it.
func (f Fault) String() string {
	s := f.Text
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Line > 0 {
		s = fmt.Sprintf("%d:%d: %s", f.Line, f.Column, s)
	}
	return s
}

// Faults is everything that is wrong with a run.yaml, in the order of its lines.
type Faults []Fault

// Error returns one fault a line.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, fault := range f {
		lines = append(lines, fault.String())
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts the faults and cuts them to a number that people can read.
func (f Faults) inOrder() Faults {
	place := func(n int) int {
		if n == 0 {
			return maxText + 1 // what has no place comes last
		}
		return n
	}
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(place(a.Line), place(b.Line)), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
	if len(f) <= maxFaults {
		return f
	}
	more := len(f) - maxFaults
	return append(f[:maxFaults:maxFaults], Fault{Text: fmt.Sprintf("and %d more faults", more)})
}

// nearest returns the name most like s, "" if none is much like it.
func nearest(s string, names []string) string {
	best, least := "", 1+min(len(s), 9)/3 // one slip in three letters, at most three
	for _, n := range names {
		if d := slips(s, n, least+1); d <= least && (best == "" || d < least) {
			best, least = n, d
		}
	}
	return best
}

// slips counts the letters to add, drop, change or swap with the next to get
// from a to b; above most it is most.
func slips(a, b string, most int) int {
	if len(a) > len(b)+most || len(b) > len(a)+most {
		return most
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := 0
			if a[i] != b[j] {
				change = 1
			}
			row[j+1] = min(last[j]+change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most)
}
