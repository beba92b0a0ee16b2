package cpu

// This file holds the walk of a window over planes.

import (
	"lode/engine/kernel"
	"lode/engine/model"
)

// planes is the shape of one picture's planes and the window that moves over them.
type planes struct {
	model.Window
	num, height, width int
	tall, wide         int // windows down and across
}

func newPlanes(shape []int, w model.Window) planes {
	return planes{Window: w, num: shape[0], height: shape[1], width: shape[2], tall: w.Over(shape[1]), wide: w.Over(shape[2])}
}

// size returns how many values a picture has.
func (p planes) size() int { return p.num * p.height * p.width }

// windows returns how many windows a plane has.
func (p planes) windows() int { return p.tall * p.wide }

// taps returns how many values of all planes are in one window.
func (p planes) taps() int { return p.num * p.Size * p.Size }

// within returns the first and one after the last of num windows in a row that hold
// place tap of theirs inside a side of n.
func (p planes) within(tap, num, n int) (lo, hi int) {
	first, end := p.Pad-tap, n+p.Pad-tap // of the places where windows may begin
	return (max(0, first) + p.Stride - 1) / p.Stride, min(num, (max(0, end)+p.Stride-1)/p.Stride)
}

// unroll sets cols, [taps, windows], to what each window holds of the picture x,
// zeros where it lies in the padding.
func (p planes) unroll(cols, x []float32) {
	p.walk(func(at, lo, hi, from int) {
		line := cols[at : at+p.wide]
		clear(line[:lo])
		clear(line[hi:])
		if p.Stride == 1 {
			copy(line[lo:hi], x[from:])
			return
		}
		for i := lo; i < hi; i++ {
			line[i] = x[from+(i-lo)*p.Stride]
		}
	}, func(at int) { clear(cols[at : at+p.wide]) })
}

// roll adds cols to the picture dx where unroll took them from.
func (p planes) roll(dx, cols []float32) {
	p.walk(func(at, lo, hi, from int) {
		line := cols[at+lo : at+hi]
		if p.Stride == 1 {
			kernel.Axpy(dx[from:from+len(line)], 1, line)
			return
		}
		for i, d := range line {
			dx[from+i*p.Stride] += d
		}
	}, func(int) {})
}

// walk goes over the lines of [taps, windows], one for each plane, place in the window
// and row of windows: line tells where it begins, which windows of it, lo to hi,
// have that place inside the plane, and where in the picture that of window lo is.
// Lines without any such window go to outside.
func (p planes) walk(line func(at, lo, hi, from int), outside func(at int)) {
	at := 0
	for plane := range p.num {
		for y := range p.Size {
			top, bottom := p.within(y, p.tall, p.height)
			for x := range p.Size {
				lo, hi := p.within(x, p.wide, p.width)
				for i := range p.tall {
					if i < top || i >= bottom || lo >= hi {
						outside(at)
					} else {
						down, across := i*p.Stride+y-p.Pad, lo*p.Stride+x-p.Pad
						line(at, lo, hi, (plane*p.height+down)*p.width+across)
					}
					at += p.wide
				}
			}
		}
	}
}
