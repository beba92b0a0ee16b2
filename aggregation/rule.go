package aggregation

// This file holds the merge rules: how the values of W contributions become one.

import (
	"fmt"

	"lode/gradient"
)

// Term is one contribution's value at one place of a chunk, clipped and in
// units of 2^−Unit. It may be 0.
type Term struct {
	Pos   uint16
	Value int64
}

// Row is what one contribution holds of a chunk, in ascending position; what it
// does not name is 0.
type Row []Term

// Rule combines contributions. It has no state and may be used by several
// goroutines. What it writes must not depend on the order of the rows and must
// stay within the largest magnitude of any row. Package ruletest checks that.
type Rule interface {
	// Combine writes the merged values of one chunk to dst, which is zero when
	// it comes, in units of 2^−Unit. There is at least one row.
	Combine(dst []int64, rows []Row)
}

func newRule(name string) (Rule, error) {
	switch name {
	case "mean":
		return Mean{}, nil
	}
	return nil, fmt.Errorf("aggregation: no rule %q: %w", name, gradient.ErrParams)
}

// Mean is the sum of the rows over W, rounded once. Cost: one addition per term
// and one division per place. One liar moves it by 1/W of the clip reference;
// it relies on clipping and gating before it.
type Mean struct{}

// Combine implements [Rule].
func (Mean) Combine(dst []int64, rows []Row) {
	for _, row := range rows {
		for _, t := range row {
			dst[t.Pos] += t.Value
		}
	}
	n := int64(len(rows))
	for i, sum := range dst {
		if sum != 0 {
			dst[i] = divide(sum, n)
		}
	}
}
