package aggregation

// This file holds sorting networks: rows are sorted against each other place by
// place with compare-exchanges that never branch.

import "lode/gradient/kernel"

// exchange puts the lesser of rows a and b, place by place, into a.
type exchange struct{ a, b int }

// network returns exchanges after which row i holds the i-th smallest of num
// values at every place: Batcher's merge exchange (Knuth, The Art of Computer
// Programming 5.2.2, algorithm M).
func network(num int) []exchange {
	var xs []exchange
	top := 1
	for top < num {
		top *= 2
	}
	for p := top / 2; p > 0; p /= 2 {
		for q, r, d := top/2, 0, p; ; q, r, d = q/2, p, q-p {
			for i := range num - d {
				if i&p == r {
					xs = append(xs, exchange{i, i + d})
				}
			}
			if q == p {
				break
			}
		}
	}
	return xs
}

// What is asked of a row at the end of a network.
const (
	dropped = iota // nothing
	summed         // to be in the sum of all such rows
	exact          // to be in its place
)

// pruned returns the exchanges that matter if in the end only the sum of the
// rows from lo to below hi is wanted. An exchange between two rows of which none
// is wanted, or both only for their sum, changes nothing.
func pruned(xs []exchange, num, lo, hi int) []exchange {
	want := make([]int, num)
	for i := lo; i < hi; i++ {
		want[i] = summed
	}
	kept := len(xs)
	out := make([]exchange, len(xs))
	for i := len(xs) - 1; i >= 0; i-- {
		x := xs[i]
		if want[x.a] == want[x.b] && want[x.a] != exact {
			continue
		}
		want[x.a], want[x.b] = exact, exact
		kept--
		out[kept] = x
	}
	return out[kept:]
}

// tile is how many places are sorted at a time: 16 rows of it fit a processor's
// first cache.
const tile = 256

// sortedRows is a trimmed mean of rows that name most places: it sorts whole rows
// by a network. It gives what byPlace gives.
type sortedRows struct {
	lo, hi int // ranks that are left
	steps  []exchange
}

func newSortedRows(t trimmed, num int) sortedRows {
	lo, hi := t.kept(num)
	return sortedRows{lo, hi, pruned(network(num), num, lo, hi)}
}

func (r sortedRows) combine(dst []int64, t table, _ *scratch) {
	rows := t.values()
	for at := 0; at < len(dst); at += tile {
		end := min(at+tile, len(dst))
		for _, x := range r.steps {
			kernel.Exchange(rows[x.a][at:end], rows[x.b][at:end])
		}
		out := dst[at:end]
		for _, row := range rows[r.lo:r.hi] {
			kernel.Add(out, row[at:end])
		}
		divideAll(out, int64(r.hi-r.lo))
	}
}
