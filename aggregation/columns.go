package aggregation

// This file holds the rules that look at each place alone: coordinate median,
// trimmed mean, and the second half of Bulyan.

import (
	"slices"

	"lode/tensor"
)

// ranked is the values that rows have at one place: those that are not 0,
// ascending, and how many zeros stand among them.
type ranked struct {
	vals  []int64
	below int // of vals, how many are below 0
	zeros int
}

func (c ranked) len() int { return len(c.vals) + c.zeros }

// at returns the value of rank i.
func (c ranked) at(i int) int64 {
	switch {
	case i < c.below:
		return c.vals[i]
	case i < c.below+c.zeros:
		return 0
	}
	return c.vals[i-c.zeros]
}

// order is a rule that looks at one place alone.
type order interface {
	// of returns what becomes of a column that is not empty.
	of(c ranked) int64
}

// trimmed is the mean of a column without its f least and its f greatest values,
// rounded once. A column of n values loses at most (n−1)/2 on each side: with an
// f that large it is the coordinate median, for even n the mean of the two in the
// middle (Yin et al. 2018, arXiv:1803.01498).
type trimmed struct{ f int }

// kept returns the ranks that are left of n.
func (t trimmed) kept(n int) (lo, hi int) {
	f := min(t.f, (n-1)/2)
	return f, n - f
}

func (t trimmed) of(c ranked) int64 {
	lo, hi := t.kept(c.len())
	sum := int64(0)
	for _, v := range c.vals[min(lo, c.below):min(hi, c.below)] {
		sum += v
	}
	above := c.below + c.zeros
	for _, v := range c.vals[max(lo, above)-c.zeros : max(hi, above)-c.zeros] {
		sum += v
	}
	return divide(sum, int64(hi-lo))
}

// around is the mean of the n − 2f values nearest the median, the lower ones
// where two sets are equally near, rounded once: the second half of Bulyan
// (El Mhamdi et al. 2018, arXiv:1802.07927, section 4).
type around struct{ f int }

func (a around) of(c ranked) int64 {
	n := c.len()
	num := max(n-2*a.f, 1)
	twice := c.at((n-1)/2) + c.at(n/2) // of the median
	lo := 0
	for lo+num < n && 2*c.at(lo+num)-twice < twice-2*c.at(lo) {
		lo++
	}
	sum := int64(0)
	for i := lo; i < lo+num; i++ {
		sum += c.at(i)
	}
	return divide(sum, int64(num))
}

// byPlace applies an order to each place. What a row does not name counts as 0,
// or if senders is set not at all. It costs time by what rows name, not by W·n.
type byPlace struct {
	order   order
	senders bool
}

func (b byPlace) combine(dst []int64, t table, s *scratch) {
	rows := t.terms()
	s.gather(rows, len(dst))
	for i := range dst {
		vals := s.vals[s.starts[i]:s.starts[i+1]]
		if len(vals) == 0 {
			continue
		}
		c := ranked{vals: vals}
		if !b.senders {
			c.zeros = len(rows) - len(vals)
		}
		for _, v := range vals {
			if v < 0 {
				c.below++
			}
		}
		if t, ok := b.order.(trimmed); ok {
			lo, hi := t.kept(c.len())
			if lo >= c.below && hi <= c.below+c.zeros {
				continue // only zeros are left
			}
		}
		slices.Sort(vals)
		dst[i] = b.order.of(c)
	}
}

// placeScratch is room to turn rows into columns.
type placeScratch struct {
	starts [tensor.ChunkLen + 1]int
	next   [tensor.ChunkLen]int
	vals   []int64
}

// gather lists what rows name at each of n places: vals[starts[i]:starts[i+1]].
func (s *placeScratch) gather(rows []Row, n int) {
	clear(s.starts[:n+1])
	for _, row := range rows {
		for _, t := range row {
			if t.Value != 0 {
				s.starts[t.Pos+1]++
			}
		}
	}
	for i := range n {
		s.starts[i+1] += s.starts[i]
		s.next[i] = s.starts[i]
	}
	s.vals = slices.Grow(s.vals[:0], s.starts[n])[:s.starts[n]]
	for _, row := range rows {
		for _, t := range row {
			if t.Value != 0 {
				s.vals[s.next[t.Pos]] = t.Value
				s.next[t.Pos]++
			}
		}
	}
}
