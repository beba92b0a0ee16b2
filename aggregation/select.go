package aggregation

// This file holds what chooses among whole rows by their distances: Krum,
// multi-Krum, Bulyan's selection, nearest-neighbour mixing, bucketing.

import (
	"cmp"
	"crypto/sha256"
	"slices"
)

// byDist returns the rows other than i, nearest first; among equals the one of
// lower digest.
func (g *gram) byDist(i int) []int {
	var others []int
	for j := range g.dots {
		if j != i {
			others = append(others, j)
		}
	}
	slices.SortStableFunc(others, func(a, b int) int { return cmp.Compare(g.dist(i, a), g.dist(i, b)) })
	return others
}

// ranking finds Krum's scores among rows that become fewer.
type ranking struct {
	g      *gram
	near   [][]int // of each row, the others, nearest first
	chosen []bool
}

func newRanking(g *gram) *ranking {
	r := &ranking{g: g, near: make([][]int, len(g.dots)), chosen: make([]bool, len(g.dots))}
	for i := range r.near {
		r.near[i] = g.byDist(i)
	}
	return r
}

// score returns the sum of the squared distances of row i to the num nearest
// rows that are not chosen yet, added up nearest first.
func (r *ranking) score(i, num int) float64 {
	sum := 0.0
	for _, j := range r.near[i] {
		if num == 0 {
			break
		}
		if !r.chosen[j] {
			sum += r.g.dist(i, j)
			num--
		}
	}
	return sum
}

// choose chooses the row of lowest score, the one of lower digest among equals.
func (r *ranking) choose(neighbours int) {
	best, least := -1, 0.0
	for i := range r.near {
		if r.chosen[i] {
			continue
		}
		if s := r.score(i, neighbours); best < 0 || s < least {
			best, least = i, s
		}
	}
	r.chosen[best] = true
}

// krum returns the num rows of lowest scores, each the sum of the squared
// distances to its nearest neighbours (Blanchard et al. 2017, arXiv:1703.02757).
func (g *gram) krum(neighbours, num int) []int {
	r := newRanking(g)
	scores, order := make([]float64, len(g.dots)), make([]int, len(g.dots))
	for i := range order {
		order[i], scores[i] = i, r.score(i, neighbours)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	return order[:num]
}

// bulyan returns the n − 2f rows that Krum chooses one after another, each time
// among those that are left.
func (g *gram) bulyan(f int) []int {
	r := newRanking(g)
	n := len(g.dots)
	for left := n; left > 2*f; left-- {
		r.choose(max(left-f-2, 1))
	}
	var rows []int
	for i, chosen := range r.chosen {
		if chosen {
			rows = append(rows, i)
		}
	}
	return rows
}

// neighbours returns for each row the mean of the n − f rows nearest to it, itself
// among them (Allouah et al. 2023, arXiv:2302.01772).
func (g *gram) neighbours(f int) []blend {
	n := len(g.dots)
	rows := make([]blend, n)
	for i := range rows {
		near := append([]int{i}, g.byDist(i)...)[:n-f]
		rows[i] = evenly(n, func(w int) bool { return slices.Contains(near, w) })
	}
	return rows
}

// buckets returns the means of ⌈n/size⌉ groups of rows as equal in size as can
// be, dealt by seed (Karimireddy et al. 2022, arXiv:2006.09365).
func (g *gram) buckets(size int, seed [32]byte) []blend {
	n := len(g.digests)
	keys, order := make([][sha256.Size]byte, n), make([]int, n)
	for i, d := range g.digests {
		keys[i], order[i] = sha256.Sum256(append(seed[:], d[:]...)), i
	}
	slices.SortFunc(order, func(a, b int) int { return slices.Compare(keys[a][:], keys[b][:]) })
	num := (n + size - 1) / size
	rows := make([]blend, num)
	least, most := uint64(n/num), uint64((n+num-1)/num)
	for b := range rows {
		rows[b] = blend{weights: make([]uint64, n), den: least * most}
	}
	for k, w := range order {
		members := most
		if k%num >= n%num && n%num != 0 {
			members = least
		}
		rows[k%num].weights[w] = least * most / members
	}
	return rows
}
