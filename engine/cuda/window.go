package cuda

// This file holds planes and the windows that move over them.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// planes is the shape of one example's planes and of the window that moves over them.
type planes struct {
	model.Window
	num, height, width int
	tall, wide         int // windows down and across
}

func newPlanes(shape []int, w model.Window) planes {
	return planes{w, shape[0], shape[1], shape[2], w.Over(shape[1]), w.Over(shape[2])}
}

// size returns how many values an example has.
func (p planes) size() int { return p.num * p.height * p.width }

// windows returns how many windows a plane has.
func (p planes) windows() int { return p.tall * p.wide }

// with returns arguments of a kernel, then the planes.
func (p planes) with(args ...driver.Arg) []driver.Arg {
	for _, n := range []int{p.num, p.height, p.width, p.Size, p.Stride, p.Pad, p.tall, p.wide} {
		args = append(args, driver.Int(n))
	}
	return args
}
