package aggregation

// This file holds the first pass of merges that look at whole rows: the exact
// dot product of every two of them, and a digest of each.

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"lode/gradient"
	"lode/tensor"
)

// gram is what a rule may know of W whole rows: their dot products, exact until
// each is rounded once to float64, in units of 2^(−2·Unit). Rows stand in the
// order of their digests, which no order of arrival changes.
type gram struct {
	dots    [][]float64     // W × W
	norms   []gradient.Norm // W: the diagonal, exact
	digests [][sha256.Size]byte
}

// dist returns the squared distance of rows i and j.
func (g *gram) dist(i, j int) float64 {
	return max(0, float64(g.dots[i][i]+g.dots[j][j])-float64(2*g.dots[i][j]))
}

// scaled returns the dots of the rows after each is multiplied by its clip.
func (g *gram) scaled(clips []gradient.Clip) *gram {
	out := &gram{dots: square(len(clips)), digests: g.digests}
	for i := range clips {
		for j := range clips {
			factor := float64(float64(clips[i]) * float64(clips[j])) // symmetric, as products are
			out.dots[i][j] = float64(g.dots[i][j] * float64(factor*0x1p-64))
		}
	}
	return out
}

// blended returns the dots of blends of the rows.
func (g *gram) blended(rows []blend) *gram {
	half := make([][]float64, len(rows)) // of each blend with each row
	for a, b := range rows {
		half[a] = make([]float64, len(g.dots))
		for i, dots := range g.dots {
			half[a][i] = b.average(dots)
		}
	}
	out := &gram{dots: square(len(rows)), digests: nil}
	for a := range rows {
		for b := range a + 1 {
			out.dots[a][b] = rows[b].average(half[a])
			out.dots[b][a] = out.dots[a][b]
		}
	}
	return out
}

// average returns the blend of one number a row, added up in their order.
func (b blend) average(vals []float64) float64 {
	sum := 0.0
	for w, v := range vals {
		if b.weights[w] != 0 {
			sum += float64(float64(b.weights[w]) * v)
		}
	}
	return sum / float64(b.den)
}

func square(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// gramSums adds up the dots of W rows: those of row i with the rows up to it, or
// with itself alone.
type gramSums struct {
	normsOnly bool
	dots      [][]wide
	buf       []byte
}

func newGramSums(num int, normsOnly bool) *gramSums {
	g := &gramSums{normsOnly: normsOnly, dots: make([][]wide, num)}
	for i := range g.dots {
		g.dots[i] = make([]wide, i+1)
	}
	return g
}

// halfBits cuts values of up to 44 bits in two, so that the products of a whole
// chunk add up in an int64: 2·2^44·4096 < 2^63.
const halfBits = 22

// halves is a row written out, each value as hi·2^22 + lo with lo from 0.
type halves struct{ hi, lo [tensor.ChunkLen]int64 }

func (h *halves) set(row Row) {
	for _, t := range row {
		h.hi[t.Pos], h.lo[t.Pos] = t.Value>>halfBits, t.Value&(1<<halfBits-1)
	}
}

func (h *halves) unset(row Row) {
	for _, t := range row {
		h.hi[t.Pos], h.lo[t.Pos] = 0, 0
	}
}

// dot returns the exact dot product with row.
func (h *halves) dot(row Row) wide {
	top, middle, bottom := int64(0), int64(0), int64(0)
	for _, t := range row {
		hi, lo := t.Value>>halfBits, t.Value&(1<<halfBits-1)
		x, y := h.hi[t.Pos], h.lo[t.Pos]
		top += hi * x
		middle += hi*y + lo*x
		bottom += lo * y
	}
	return product(top, 1<<(2*halfBits)).plus(product(middle, 1<<halfBits)).plus(product(bottom, 1))
}

// add adds the dots of one chunk of the rows. h is zero when it comes and goes.
func (g *gramSums) add(rows []Row, h *halves) {
	for i, row := range rows {
		if len(row) == 0 {
			continue
		}
		h.set(row)
		first := 0
		if g.normsOnly {
			first = i
		}
		for j := first; j <= i; j++ {
			g.dots[i][j] = g.dots[i][j].plus(h.dot(rows[j]))
		}
		h.unset(row)
	}
}

// plus adds the sums of another core.
func (g *gramSums) plus(other *gramSums) {
	for i, dots := range other.dots {
		for j, d := range dots {
			g.dots[i][j] = g.dots[i][j].plus(d)
		}
	}
}

// digests returns the digest of what each row names of one chunk: places and
// values. It reuses old.
func (g *gramSums) digests(old [][sha256.Size]byte, rows []Row) [][sha256.Size]byte {
	old = old[:0]
	for _, row := range rows {
		g.buf = g.buf[:0]
		for _, t := range row {
			g.buf = binary.LittleEndian.AppendUint16(g.buf, t.Pos)
			g.buf = binary.LittleEndian.AppendUint64(g.buf, uint64(t.Value))
		}
		old = append(old, sha256.Sum256(g.buf))
	}
	return old
}

// sorted returns the order of the rows by digest, and the gram of the rows in
// that order.
func (g *gramSums) sorted(digests [][sha256.Size]byte) ([]int, *gram) {
	order := make([]int, len(digests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(digests[a][:], digests[b][:]) })
	out := &gram{dots: square(len(order))}
	for i, a := range order {
		out.digests = append(out.digests, digests[a])
		out.norms = append(out.norms, g.dots[a][a].norm())
		for j, b := range order {
			out.dots[i][j] = g.dots[max(a, b)][min(a, b)].float()
		}
	}
	return order, out
}

// lowerMedian returns the value at the middle, the lower of two.
func lowerMedian(vals []float64) float64 {
	sorted := slices.Clone(vals)
	slices.SortFunc(sorted, cmp.Compare[float64])
	return sorted[(len(sorted)-1)/2]
}

// distances returns how far each row is from a point whose blend of the rows is
// weights, as real numbers: ‖x_i − Σ a_j·x_j‖.
func (g *gram) distances(weights []float64) []float64 {
	n := len(g.dots)
	out, with := make([]float64, n), make([]float64, n)
	own := 0.0
	for i, dots := range g.dots {
		for j, d := range dots {
			with[i] += float64(weights[j] * d)
		}
		own += float64(weights[i] * with[i])
	}
	for i := range out {
		out[i] = math.Sqrt(max(0, float64(g.dots[i][i]+own)-float64(2*with[i])))
	}
	return out
}
