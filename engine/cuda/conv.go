package cuda

// This file holds the convolution stage: windows of some examples at a time are laid out as
// rows, go through a linear layer, and what it makes is turned into planes.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// columnValues bounds the values that are laid out at a time, but one example is.
const columnValues = 1 << 24

type conv struct {
	planes
	x, y    *value
	w, bias *weight  // bias is nil if there is none
	block   int      // examples at a time
	cols    *sharing // [block · windows, taps]
	rows    *sharing // [block · windows, out]
}

// Conv2D implements model.Builder.
func (p *program) Conv2D(of model.Value, m model.Conv) model.Value {
	s := &conv{planes: newPlanes(p.Values[of].Shape, m.Window), w: p.weight(m.Name+".weight", 1)}
	if m.Bias {
		s.bias = p.weight(m.Name+".bias", 1)
	}
	each := s.windows() * s.w.cols
	s.block = min(p.positions, max(1, columnValues/each))
	s.cols, s.rows = p.share("columns", s.block*each, p.half), p.share("rows of windows", s.block*s.windows()*s.w.rows, p.half)
	at := p.add(m.Name, s.forward, s.backward)
	p.later(func() { s.x, s.y = &p.values[of], &p.values[at] })
	return at
}

// blocks calls f for some examples at a time, with their windows laid out, and where they
// begin.
func (s *conv) blocks(p *pass, f func(lo, n int, cols, rows driver.Matrix) error) error {
	for lo := 0; lo < p.n; lo += s.block {
		n := min(s.block, p.n-lo)
		cols, rows := matrix(s.cols.buffer, n*s.windows(), s.w.cols), matrix(s.rows.buffer, n*s.windows(), s.w.rows)
		if err := p.each(s.cols.kind("unroll"), cols.Rows*cols.Cols, s.with(s.cols.arg(), driver.At(s.x.data.at(lo*s.size())))...); err != nil {
			return err
		}
		if err := f(lo, n, cols, rows); err != nil {
			return err
		}
	}
	return nil
}

func (s *conv) forward(p *pass) error {
	out, windows := s.w.rows, s.windows()
	return s.blocks(p, func(lo, n int, cols, rows driver.Matrix) error {
		if err := p.affine(rows, cols, s.w, s.bias, buffer{}); err != nil {
			return err
		}
		return p.each(s.rows.kind("turn"), n*out*windows, driver.At(s.y.data.at(lo*out*windows)), s.rows.arg(), driver.Int(windows), driver.Int(out))
	})
}

func (s *conv) backward(p *pass) error {
	out, windows := s.w.rows, s.windows()
	return s.blocks(p, func(lo, n int, cols, rows driver.Matrix) error {
		if err := p.each(s.rows.kind("turn"), n*out*windows, s.rows.arg(), driver.At(s.y.grad.at(lo*out*windows)), driver.Int(out), driver.Int(windows)); err != nil {
			return err
		}
		if err := p.weigh(s.w, s.bias, rows, cols); err != nil || s.x.grad.none() {
			return err
		}
		if err := p.multiply(driver.Product{To: cols, A: rows, B: matrix(s.w.factor, out, s.w.cols)}); err != nil {
			return err
		}
		return p.each(s.cols.kind("roll"), n*s.size(), append(s.with(driver.At(s.x.grad.at(lo*s.size())), s.cols.arg()), flag(s.x.added))...)
	})
}
