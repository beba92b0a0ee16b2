package cuda

// This file holds the RMSNorm stage.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// normRows is how many rows add up their part of the weight's gradient, see norm.cu.
const normRows = 256

// norm is w·x divided by the root of the mean of squares.
type norm struct {
	x, y  *value
	w     *weight
	eps   float32
	roots buffer   // of each position, inverted
	parts *sharing // of the weight's gradient
}

// RMSNorm implements model.Builder.
func (p *program) RMSNorm(name string, of model.Value, eps float64) model.Value {
	s := &norm{w: p.weight(name+".weight", 1), eps: float32(eps), roots: p.memory.floats(p.positions)}
	if len(s.w.trained) > 0 {
		s.parts = p.share("parts of a norm's weight", (p.positions+normRows-1)/normRows*s.w.cols, false)
	}
	at := p.add(name, s.forward, s.backward)
	p.later(func() { s.x, s.y = &p.values[of], &p.values[at] })
	return at
}

// warps launches a kernel with a warp for each of n rows.
func (e *Engine) warps(kernel string, n int, args ...driver.Arg) error {
	return e.blocks(kernel, (n+threads/32-1)/(threads/32), args...)
}

func (s *norm) forward(p *pass) error {
	return p.warps(s.y.data.kind("norm_rows"), p.n, s.y.data.arg(), s.roots.arg(), s.x.data.arg(), s.w.values.arg(), driver.Float(s.eps), driver.Int(p.n), driver.Int(s.w.cols))
}

func (s *norm) backward(p *pass) error {
	dy, x, n, dim := s.y.grad, s.x.data, driver.Int(p.n), s.w.cols
	if len(s.w.trained) > 0 {
		groups := (p.n + normRows - 1) / normRows
		columns := 32 // of a block; each thread has four where that divides
		if dim%4 == 0 {
			columns = 128
		}
		grid := driver.Grid{X: (dim + columns - 1) / columns, Y: groups, Threads: threads}
		if err := p.stream.Launch(p.kernels[dy.kind("norm_weight")], grid, s.parts.arg(), dy.arg(), x.arg(), s.roots.arg(), n, driver.Int(dim)); err != nil {
			return err
		}
		if err := p.blocks("sum_rows", (dim+31)/32, s.w.grad.arg(), s.parts.arg(), driver.Int(groups), driver.Int(dim), driver.Long(int64(dim)), flag(!p.fresh(s.w))); err != nil {
			return err
		}
	}
	if s.x.grad.none() {
		return nil
	}
	return p.warps(dy.kind("norm_back"), p.n, s.x.grad.arg(), dy.arg(), x.arg(), s.w.values.arg(), s.roots.arg(), flag(s.x.added), n, driver.Int(dim))
}
