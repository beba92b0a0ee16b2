package aggregation

// This file holds the majority vote of signs.

import (
	"slices"

	"lode/tensor"
)

// vote gives each place the sign that more than half of the rows have there, or
// with senders more rows than the other sign, and one magnitude a chunk: the lower
// median of the rows' own, each the mean magnitude of what it names (Bernstein et
// al. 2019, arXiv:1810.05291, with a magnitude that follows from the rows).
type vote struct{ senders bool }

func (v vote) combine(dst []int64, t table, s *scratch) {
	rows := t.terms()
	m := s.magnitude(rows)
	clear(s.votes[:])
	for _, row := range rows {
		for _, term := range row {
			switch {
			case term.Value > 0:
				s.votes[term.Pos].up++
			case term.Value < 0:
				s.votes[term.Pos].down++
			}
		}
	}
	for i := range dst {
		up, down := s.votes[i].up, s.votes[i].down
		if !v.senders {
			up, down = 2*up-len(rows), 2*down-len(rows)
		}
		switch {
		case up > 0 && up > down:
			dst[i] = m
		case down > 0 && down > up:
			dst[i] = -m
		}
	}
}

// ballot counts the signs at one place.
type ballot struct{ up, down int }

// voteScratch is room to count votes.
type voteScratch struct {
	votes      [tensor.ChunkLen]ballot
	magnitudes []int64
}

// magnitude returns the lower median of the rows' mean magnitudes.
func (s *voteScratch) magnitude(rows []Row) int64 {
	s.magnitudes = s.magnitudes[:0]
	for _, row := range rows {
		sum, num := int64(0), int64(0)
		for _, t := range row {
			if t.Value != 0 {
				sum += int64(magnitude(t.Value))
				num++
			}
		}
		s.magnitudes = append(s.magnitudes, divide(sum, max(num, 1)))
	}
	slices.Sort(s.magnitudes)
	return s.magnitudes[(len(rows)-1)/2]
}
