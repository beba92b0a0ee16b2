package model

// This file says when values live: which of them may share memory, and which may be
// computed again.

// Slots returns the slot of each value and the width of each slot. Values lie in one
// slot only if their lives do not meet: a value lives from the stage that makes it to
// the one of its last use. A value that lies where another did has that one's slot.
func (t *Trace) Slots() (of, widths []int) {
	of = make([]int, len(t.Values))
	var free []Value // by slot: the last use of what is in it
	for v := Value(1); int(v) < len(t.Values); v++ {
		r := t.Values[v]
		if r.Given { // it lies where the batch is put
			continue
		}
		at := of[r.Over]
		if r.Over == None {
			for at = 0; at < len(free) && free[at] >= v; {
				at++
			}
		}
		if at == len(free) {
			free, widths = append(free, 0), append(widths, 0)
		}
		of[v], free[at], widths[at] = at, r.Last, max(widths[at], r.Width())
	}
	return of, widths
}

// Segment is where a value lies between residuals. In x + f(norm(x)) the values between
// x and the sum are a segment: they can be computed again from x, which is kept.
type Segment struct {
	Place  int  // within its segment, from 1; 0 is outside
	Closes bool // it ends a segment: it adds an earlier value that others have used
}

// Segments returns where each value lies. A model without residuals has no segments.
func (t *Trace) Segments() []Segment {
	out := make([]Segment, len(t.Values)+1)
	for v := Value(1); int(v) < len(t.Values); v++ {
		if last := t.Values[v].Last; last > v+1 {
			out[last].Closes = true
		}
	}
	place, open := 0, None // open: the last use of what an open residual adds
	for v := Value(1); int(v) < len(t.Values); v++ {
		last := t.Values[v].Last
		switch {
		case out[v].Closes:
			place = 0
		case open > v && last <= v+1:
			place++
			out[v].Place = place
		}
		open = max(open, last)
	}
	return out
}
