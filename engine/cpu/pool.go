package cpu

// This file holds the pooling stage.

import (
	"lode/engine/model"
)

// pool is the stage over n pictures.
type pool struct {
	planes
	y, dx []float32
	// from is where in its plane each result of a pool of largest values comes from,
	// nil for means.
	from []int32
}

// Pool implements model.Builder.
func (b *builder) Pool(of model.Value, m model.Pool) model.Value {
	x, y := b.values[of], b.next()
	p := &pool{planes: newPlanes(b.trace.Values[of].Shape, m.Window), y: y.data, dx: x.grad}
	if !m.Mean {
		p.from = make([]int32, len(y.data))
	}
	n := b.n() * p.num // of planes
	s := stage{name: "pool"}
	s.forward = func(v [][]float32) {
		b.team.split(n, 1, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				p.plane(i, row(v[0], i, p.height*p.width))
			}
		})
	}
	s.differentiate(x.gradient())
	s.backward = b.setting(of, func(_ [][]float32, dy []float32) {
		if p.dx == nil {
			return
		}
		b.team.split(n, 1, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				p.planeBack(i, row(dy, i, p.windows()))
			}
		})
	})
	return b.add(y, s, x.node)
}

// plane computes the results of plane i.
func (p *pool) plane(i int, x []float32) {
	y := row(p.y, i, p.windows())
	for w := range y {
		first := w/p.wide*p.Stride*p.width + w%p.wide*p.Stride
		if p.from == nil {
			y[w] = p.mean(x[first:])
			continue
		}
		at := first + p.largest(x[first:])
		y[w], p.from[i*p.windows()+w] = x[at], int32(at)
	}
}

// mean returns the mean of the window that begins where x does.
func (p *pool) mean(x []float32) float32 {
	sum := float32(0)
	for down := range p.Size {
		sum += total(x[down*p.width:][:p.Size])
	}
	return sum / float32(p.Size*p.Size)
}

// largest returns where the largest value is in the window that begins where x does:
// the first of equals, or a NaN.
func (p *pool) largest(x []float32) int {
	best := 0
	for down := range p.Size {
		for at := down * p.width; at < down*p.width+p.Size; at++ {
			if v := x[at]; v > x[best] || v != v {
				best = at
			}
		}
	}
	return best
}

// planeBack sets the gradient of plane i.
func (p *pool) planeBack(i int, dy []float32) {
	dx := row(p.dx, i, p.height*p.width)
	clear(dx)
	share := 1 / float32(p.Size*p.Size)
	for w, d := range dy {
		if p.from != nil {
			dx[p.from[i*len(dy)+w]] += d
			continue
		}
		first := w/p.wide*p.Stride*p.width + w%p.wide*p.Stride
		for down := range p.Size {
			addTo(dx[first+down*p.width:][:p.Size], d*share)
		}
	}
}
