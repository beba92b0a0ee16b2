package cuda

// This file holds the linear stage, with or without bias and residual.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// linear is x·wᵀ + bias + skip.
type linear struct {
	x, y *value
	w    *weight
	bias *weight // nil: there is none
	skip buffer
}

// Linear implements model.Builder. The gradient of what is added is that of the result,
// and lies where that does.
func (p *program) Linear(of model.Value, m model.Linear) model.Value {
	l := &linear{w: p.weight(m.Parts[0].Name+".weight", len(m.Parts))}
	if m.Bias {
		l.bias = p.weight(m.Parts[0].Name+".bias", len(m.Parts))
	}
	if m.Add != model.None {
		p.values[m.Add].added = true
	}
	at := p.add(m.Parts[0].Name, l.forward, l.backward)
	p.later(func() {
		if l.x, l.y = &p.values[of], &p.values[at]; m.Add != model.None {
			l.skip = p.values[m.Add].data
		}
	})
	return at
}

func (l *linear) forward(p *pass) error {
	return p.affine(matrix(l.y.data, p.n, l.w.rows), matrix(l.x.data, p.n, l.w.cols), l.w, l.bias, l.skip)
}

// affine sets y to x·wᵀ plus a bias and rows of skip, where there are such.
func (p *pass) affine(y, x driver.Matrix, w, bias *weight, skip buffer) error {
	z := driver.Product{To: y, A: x, B: matrix(w.factor, w.rows, w.cols).T()}
	if !skip.none() {
		z.Add, z.Beta = skip.at(0), 1
	}
	if bias == nil {
		return p.multiply(z)
	}
	if z.Bias = bias.factor.at(0); !driver.Aligned(z.Bias) || bias.factor.half != y.Half {
		args := []driver.Arg{driver.At(y.At), bias.values.arg(), driver.At(z.Add)}
		z.Bias, z.Add, z.Beta = 0, 0, 1
		n := y.Rows * y.Cols
		if err := p.stream.Launch(p.kernels[buffer{half: y.Half}.kind("begin_rows")], driver.Grid{X: (n + threads - 1) / threads, Threads: threads}, append(args, driver.Long(int64(n)), driver.Int(y.Cols))...); err != nil {
			return err
		}
	}
	return p.multiply(z)
}

// backward sets dx = dy·w, or adds it, and of what is trained dw = dyᵀ·x and dbias, the
// sum of the rows of dy.
func (l *linear) backward(p *pass) error {
	dy := matrix(l.y.grad, p.n, l.w.rows)
	if err := p.weigh(l.w, l.bias, dy, matrix(l.x.data, p.n, l.w.cols)); err != nil || l.x.grad.none() {
		return err
	}
	return p.multiply(driver.Product{To: matrix(l.x.grad, p.n, l.w.cols), A: dy, B: matrix(l.w.factor, l.w.rows, l.w.cols), Beta: one(l.x.added)})
}

// weigh adds to the gradients of a weight and a bias what rows dy and x say.
func (p *pass) weigh(w, bias *weight, dy, x driver.Matrix) error {
	add := !p.fresh(w)
	for _, s := range w.trained {
		part := dy
		part.At, part.Cols, part.Step = dy.From(s.Lo), s.Hi-s.Lo, dy.Cols
		if err := p.multiply(driver.Product{To: matrix(w.grad.from(s.Lo*w.cols), s.Hi-s.Lo, w.cols), A: part.T(), B: x, Beta: one(add)}); err != nil {
			return err
		}
	}
	if bias == nil {
		return nil
	}
	add = !p.fresh(bias)
	for _, s := range bias.trained {
		if err := p.blocks(buffer{half: dy.Half}.kind("sum_rows"), (s.Hi-s.Lo+31)/32, driver.At(bias.grad.at(s.Lo)), driver.At(dy.From(s.Lo)),
			driver.Int(dy.Rows), driver.Int(s.Hi-s.Lo), driver.Long(int64(dy.Cols)), flag(add)); err != nil {
			return err
		}
	}
	return nil
}
