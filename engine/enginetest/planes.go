package enginetest

// This file holds the reference's stages over planes, in loops over everything.

import (
	"math"

	"lode/engine/model"
)

// places calls visit for each pair of a value inside a plane of height × width and
// a place in a window that lies on it: which window, which place, which value.
func places(w model.Window, height, width int, visit func(window, place, value int)) {
	tall, wide := w.Over(height), w.Over(width)
	for i := range tall {
		for j := range wide {
			for y := range w.Size {
				for x := range w.Size {
					down, across := i*w.Stride+y-w.Pad, j*w.Stride+x-w.Pad
					if down >= 0 && down < height && across >= 0 && across < width {
						visit(i*wide+j, y*w.Size+x, down*width+across)
					}
				}
			}
		}
	}
}

// Conv2D implements model.Builder.
func (t *tape) Conv2D(of model.Value, c model.Conv) model.Value {
	shape := t.trace.Values[of].Shape
	in, height, width := shape[0], shape[1], shape[2]
	x, windows, area := t.values[of], c.Over(height)*c.Over(width), c.Size*c.Size
	w, dw := t.at(c.Name + ".weight")
	y := newSignal(len(x.v), c.Out*windows)
	each := func(visit func(y, w, x int)) {
		for o := range c.Out {
			for i := range in {
				places(c.Window, height, width, func(window, place, value int) {
					visit(o*windows+window, (o*in+i)*area+place, i*height*width+value)
				})
			}
		}
	}
	back := t.bias(c.Bias, c.Name, y, 0, windows)
	for p := range x.v {
		each(func(yi, wi, xi int) { y.v[p][yi] += w[wi] * x.v[p][xi] })
	}
	return t.add(y, func() {
		back()
		for p := range x.v {
			each(func(yi, wi, xi int) {
				dw[wi] += y.d[p][yi] * x.v[p][xi]
				x.d[p][xi] += y.d[p][yi] * w[wi]
			})
		}
	})
}

// Pool implements model.Builder.
func (t *tape) Pool(of model.Value, m model.Pool) model.Value {
	shape := t.trace.Values[of].Shape
	height, width := shape[1], shape[2]
	x, windows := t.values[of], m.Over(height)*m.Over(width)
	y := newSignal(len(x.v), shape[0]*windows)
	// share is what a value counts in its window: all the same, or the largest alone.
	share := func(p, plane int) map[[2]int]float64 {
		s, largest := map[[2]int]float64{}, map[int]int{}
		places(m.Window, height, width, func(window, _, value int) {
			if m.Mean {
				s[[2]int{window, value}] = 1 / float64(m.Size*m.Size)
				return
			}
			v := x.v[p][plane*height*width:]
			if best, ok := largest[window]; !ok || v[value] > v[best] {
				largest[window] = value
			}
		})
		for window, value := range largest {
			s[[2]int{window, value}] = 1
		}
		return s
	}
	each := func(visit func(p, y, x int, share float64)) {
		for p := range x.v {
			for plane := range shape[0] {
				s := share(p, plane)
				places(m.Window, height, width, func(window, _, value int) {
					visit(p, plane*windows+window, plane*height*width+value, s[[2]int{window, value}])
				})
			}
		}
	}
	each(func(p, yi, xi int, share float64) { y.v[p][yi] += share * x.v[p][xi] })
	return t.add(y, func() {
		each(func(p, yi, xi int, share float64) { x.d[p][xi] += share * y.d[p][yi] })
	})
}

// Activate implements model.Builder.
func (t *tape) Activate(of model.Value, f model.Activation) model.Value {
	x := t.values[of]
	value, slope := func(x float64) float64 { return math.Max(x, 0) }, func(x float64) float64 {
		if x > 0 {
			return 1
		}
		return 0
	}
	if f == model.GELU {
		value = func(x float64) float64 { return x * (1 + math.Erf(x/math.Sqrt2)) / 2 }
		slope = func(x float64) float64 {
			return (1+math.Erf(x/math.Sqrt2))/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		}
	}
	y := newSignal(len(x.v), len(x.v[0]))
	for p := range x.v {
		for i, v := range x.v[p] {
			y.v[p][i] = value(v)
		}
	}
	return t.add(y, func() {
		for p := range x.v {
			for i, v := range x.v[p] {
				x.d[p][i] += y.d[p][i] * slope(v)
			}
		}
	})
}
