package split

// This file holds the dealing itself, one method a rule.

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"lode/data/chance"
	"lode/protocol"
)

// dealing is one split in the making.
type dealing struct {
	all  []Example
	from []int   // those to deal, in an order drawn by the seed
	to   [][]int // of each client
	seed protocol.Digest
}

func permuted(of []int, d chance.Draws) []int {
	out := make([]int, len(of))
	for i, j := range d.Permuted(len(of), len(of)) {
		out[i] = of[j]
	}
	return out
}

func (d *dealing) everybody() []int {
	all := make([]int, len(d.to))
	for c := range all {
		all[c] = c
	}
	return all
}

// cut deals examples in equal parts; the first of the owners get one more.
func (d *dealing) cut(examples, owners []int) {
	for i, c := range owners {
		d.to[c] = append(d.to[c], examples[i*len(examples)/len(owners):(i+1)*len(examples)/len(owners)]...)
	}
}

// pools returns the examples of each label, or group.
func (d *dealing) pools(of func(Example) int) [][]int {
	var pools [][]int
	for _, i := range d.from {
		for len(pools) <= of(d.all[i]) {
			pools = append(pools, nil)
		}
		pools[of(d.all[i])] = append(pools[of(d.all[i])], i)
	}
	return slices.DeleteFunc(pools, func(p []int) bool { return len(p) == 0 })
}

func label(e Example) int { return e.Label }

// byLabel gives every client k labels, of those that fewest have so far, chance
// deciding among equals.
func (d *dealing) byLabel(k int) error {
	pools := d.pools(label)
	if k > len(pools) || k*len(d.to) < len(pools) {
		return fmt.Errorf("%w: %d clients with %d labels each, of %d labels", ErrRule, len(d.to), k, len(pools))
	}
	owners := make([][]int, len(pools))
	for c := range d.to {
		order := chance.New("split labels", d.seed, c).Permuted(len(pools), len(pools))
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(owners[a]), len(owners[b])) })
		for _, l := range order[:k] {
			owners[l] = append(owners[l], c)
		}
	}
	for l, pool := range pools {
		d.cut(pool, owners[l])
	}
	return nil
}

// byGroup gives whole groups to clients.
func (d *dealing) byGroup() error {
	pools := d.pools(func(e Example) int { return e.Group })
	if len(pools) < len(d.to) {
		return fmt.Errorf("%w: %d files for %d clients", ErrRule, len(pools), len(d.to))
	}
	for _, g := range chance.New("split files", d.seed).Permuted(len(pools), len(pools)) {
		least := 0
		for c := range d.to {
			if len(d.to[c]) < len(d.to[least]) {
				least = c
			}
		}
		d.to[least] = append(d.to[least], pools[g]...)
	}
	return nil
}

// dirichlet deals each label's examples by shares of clients.
func (d *dealing) dirichlet(alpha float64) {
	for l, pool := range d.pools(label) {
		shares := shares(logGammas(alpha, len(d.to), chance.New("split shares", d.seed, l)))
		at := 0
		for c, n := range apportion(len(pool), shares) {
			d.to[c] = append(d.to[c], pool[at:at+n]...)
			at += n
		}
	}
}

// dirichletEqual lets clients, one after another, draw their examples without
// putting them back: each time a label by the client's shares among the labels that
// are left, and the next example of that.
func (d *dealing) dirichletEqual(alpha float64) {
	pools := d.pools(label)
	for c := range d.to {
		draws := chance.New("split draws", d.seed, c)
		logs := logGammas(alpha, len(pools), draws)
		var bounds []float64 // of each label's part of the range from 0 to 1
		for range (c+1)*len(d.from)/len(d.to) - c*len(d.from)/len(d.to) {
			if bounds == nil {
				bounds = upTo(shares(logs))
			}
			u := draws.Uniform() * bounds[len(bounds)-1]
			l, _ := slices.BinarySearch(bounds, u) // bounds[l−1] < u <= bounds[l]
			d.to[c] = append(d.to[c], pools[l][0])
			if pools[l] = pools[l][1:]; len(pools[l]) == 0 {
				pools, logs, bounds = slices.Delete(pools, l, l+1), slices.Delete(logs, l, l+1), nil
			}
		}
	}
}

// logGammas returns the logarithms of num gamma variates, whose shares are a draw of
// a symmetric Dirichlet distribution.
func logGammas(alpha float64, num int, d chance.Draws) []float64 {
	logs := make([]float64, num)
	for i := range logs {
		if !math.IsInf(alpha, 1) {
			logs[i] = d.LogGamma(alpha)
		}
	}
	return logs
}

// shares returns the numbers whose logarithms are given, so scaled that the largest
// is 1: small ones may be 0, but not all.
func shares(logs []float64) []float64 {
	if len(logs) == 0 {
		return nil
	}
	out, most := make([]float64, len(logs)), slices.Max(logs)
	for i, l := range logs {
		out[i] = chance.Exp(l - most)
	}
	return out
}

// upTo returns the sums of the first one, two and so on.
func upTo(shares []float64) []float64 {
	sums, sum := make([]float64, len(shares)), 0.0
	for i, s := range shares {
		sum += s
		sums[i] = sum
	}
	return sums
}

// apportion divides n by shares: each gets its part rounded down, and those with the
// largest remainders, the lower first among equals, one more.
func apportion(n int, shares []float64) []int {
	sums := upTo(shares)
	total := sums[len(sums)-1]
	out, rests, left := make([]int, len(shares)), make([]float64, len(shares)), n
	for i, s := range shares {
		part := float64(n) * (s / total)
		out[i] = min(int(part), left)
		rests[i] = float64(part) - float64(out[i])
		left -= out[i]
	}
	order := make([]int, len(shares))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rests[b], rests[a]) })
	for i := 0; left > 0; i, left = (i+1)%len(order), left-1 {
		out[order[i]]++
	}
	return out
}
