package cpu

// This file holds the convolution stage: for each picture the windows are laid out
// as columns and multiplied with the filters. Columns of more than one picture per
// thread never lie in memory.

import (
	"gorgonia.org/gorgonia"

	"lode/engine/kernel"
	"lode/engine/model"
)

// convParts is into how many ranges of pictures the gradient of the filters is cut
// at most, whatever the number of threads; each has a sum of its own.
const convParts = 8

// conv is the stage over n pictures.
type conv struct {
	*builder
	planes
	n, out  int
	w, bias *weight // [out, taps]; bias is nil if there is none
	y, dx   []float32
	cols    []float32 // one [taps, windows] per thread
	each    int       // pictures of a part
	dw      []float32 // [out, taps] for each part
}

// Conv2D implements model.Builder.
func (b *builder) Conv2D(of model.Value, m model.Conv) model.Value {
	x, y := b.values[of], b.next()
	c := &conv{builder: b, planes: newPlanes(b.trace.Values[of].Shape, m.Window), n: b.n(), out: m.Out, w: b.weight(m.Name+".weight", 1), y: y.data, dx: x.grad}
	c.cols = b.share("columns", b.team.size*c.taps()*c.windows())
	if c.each = (c.n + convParts - 1) / convParts; b.train && c.w.grad != nil {
		c.dw = b.share("parts of filters", convParts*c.out*c.taps())
	}
	s := stage{name: m.Name}
	in := []*gorgonia.Node{x.node, c.w.node}
	s.differentiate(x.gradient(), c.w.gradient())
	if m.Bias {
		c.bias = b.weight(m.Name+".bias", 1)
		in = append(in, c.bias.node)
		s.differentiate(x.gradient(), c.w.gradient(), c.bias.gradient())
	}
	s.forward = c.forward
	s.backward = b.setting(of, c.backward)
	return b.add(y, s, in...)
}

// columns lays out picture i of x, as member of the team.
func (c *conv) columns(member, i int, x []float32) kernel.View {
	n := c.taps() * c.windows()
	cols := c.cols[member*n : (member+1)*n]
	c.unroll(cols, row(x, i, c.size()))
	return kernel.Dense(cols, c.taps(), c.windows())
}

// picture is the result, or its gradient, for picture i.
func (c *conv) picture(y []float32, i int) kernel.View {
	return kernel.Dense(row(y, i, c.out*c.windows()), c.out, c.windows())
}

func (c *conv) forward(v [][]float32) {
	filters := kernel.Dense(v[1], c.out, c.taps())
	c.team.split(c.n, 1, func(member, lo, hi int) {
		for i := lo; i < hi; i++ {
			y := c.picture(c.y, i)
			kernel.Mul(y, filters, c.columns(member, i, v[0]))
			for o := 0; c.bias != nil && o < c.out; o++ {
				addTo(row(y.Data, o, c.windows()), v[2][o])
			}
		}
	})
}

// addTo adds a to every value of x.
func addTo(x []float32, a float32) {
	for i := range x {
		x[i] += a
	}
}

func (c *conv) backward(v [][]float32, dy []float32) {
	filters := kernel.Dense(v[1], c.out, c.taps())
	c.team.split(c.n, c.each, func(member, lo, hi int) {
		for i := lo; i < hi; i++ {
			d := c.picture(dy, i)
			if c.w.grad != nil {
				c.filterBack(i, d, c.columns(member, i, v[0]))
			}
			if c.dx != nil {
				c.pictureBack(member, i, d, filters)
			}
		}
	})
	if c.w.grad != nil {
		c.sumParts()
	}
	if c.bias != nil && c.bias.grad != nil {
		c.biasBack(dy)
	}
}

// filterBack adds the share of picture i to its part of the filters' gradient.
func (c *conv) filterBack(i int, dy, cols kernel.View) {
	n := c.out * c.taps()
	part := kernel.Dense(c.dw[i/c.each*n:], c.out, c.taps())
	if i%c.each == 0 {
		kernel.Mul(part, dy, cols.T())
	} else {
		kernel.MulAdd(part, dy, cols.T())
	}
}

// pictureBack sets the gradient of picture i.
func (c *conv) pictureBack(member, i int, dy, filters kernel.View) {
	n := c.taps() * c.windows()
	cols := c.cols[member*n : (member+1)*n]
	kernel.Mul(kernel.Dense(cols, c.taps(), c.windows()), filters.T(), dy)
	dx := row(c.dx, i, c.size())
	clear(dx)
	c.roll(dx, cols)
}

// sumParts adds the parts up, in order.
func (c *conv) sumParts() {
	n := c.out * c.taps()
	c.team.split(n, activateValues, func(_, lo, hi int) {
		copy(c.w.grad[lo:hi], c.dw[lo:hi])
		for p := 1; p*c.each < c.n; p++ {
			kernel.Axpy(c.w.grad[lo:hi], 1, c.dw[p*n+lo:p*n+hi])
		}
	})
}

// biasBack sets the gradient of the bias, the sums over all windows.
func (c *conv) biasBack(dy []float32) {
	c.team.split(c.out, 1, func(_, lo, hi int) {
		for o := lo; o < hi; o++ {
			sum := float32(0)
			for i := range c.n {
				sum += total(row(c.picture(dy, i).Data, o, c.windows()))
			}
			c.bias.grad[o] = sum
		}
	})
}

func total(x []float32) (sum float32) {
	for _, v := range x {
		sum += v
	}
	return sum
}
