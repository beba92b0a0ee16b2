package cuda

// This file holds the last stage: the head and the loss in one, so that the predictions of
// a batch never lie in memory all at once.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// headValues bounds the predictions computed at a time, but headRows rows are worth the
// reading of the whole matrix; more are a multiple of so many, as products like it.
const (
	headValues = 1 << 26
	headRows   = 128
)

// head computes a loss of h·wᵀ + bias. In training the forward pass computes the
// gradients as well, since it has the predictions at hand.
type head struct {
	x           *value
	w, bias     *weight // bias is nil if there is none
	block       int     // positions whose predictions are computed at a time
	predictions buffer  // [block, wide], float32
	slopes      buffer  // their gradients: the same memory, or another in bf16
	classes     bool    // the loss is cross-entropy, else squared error
}

// CrossEntropy implements model.Builder.
func (p *program) CrossEntropy(of model.Value, m model.Head) { p.end(of, m, true) }

// SquaredError implements model.Builder.
func (p *program) SquaredError(of model.Value, m model.Head) { p.end(of, m, false) }

func (p *program) end(of model.Value, m model.Head, classes bool) {
	h := &head{w: p.weight(m.Name+".weight", 1), classes: classes}
	if m.Bias {
		h.bias = p.weight(m.Name+".bias", 1)
	}
	h.block = max(headRows, headValues/h.w.rows/headRows*headRows)
	if p.headRows > 0 {
		h.block = p.headRows
	}
	h.block = min(h.block, p.positions)
	h.predictions = p.memory.floats(h.block * h.w.rows)
	if h.slopes = h.predictions; p.half {
		h.slopes = p.memory.numbers(h.block*h.w.rows, true)
	}
	p.head = h
	p.later(func() { h.x = &p.values[of] })
}

// run computes the losses of a pass, adds them to the total and, in training, leaves the
// gradients.
func (h *head) run(p *pass) error {
	for lo := 0; lo < p.n; lo += h.block {
		if err := h.rows(p, lo, min(p.n, lo+h.block)); err != nil {
			return err
		}
	}
	g := p.program
	return p.blocks("total", 1, g.total.arg(), g.losses.arg(), driver.Int(p.n), driver.Double(1/float64(p.ofTargets)), flag(p.part > 1))
}

// rows is run for positions lo to hi.
func (h *head) rows(p *pass, lo, hi int) error {
	g, n, wide, dim := p.program, hi-lo, h.w.rows, h.w.cols
	y, x := matrix(h.predictions, n, wide), matrix(h.x.data.from(lo*dim), n, dim)
	if err := p.affine(y, x, h.w, h.bias, buffer{}); err != nil {
		return err
	}
	dy := matrix(h.slopes, n, wide)
	args := []driver.Arg{driver.At(dy.At), driver.At(y.At), driver.At(g.targets.at(lo * g.targetsWide)), driver.At(g.losses.at(lo))}
	kernel, factor := "squared_error", 2/float32(p.ofTargets)
	if h.classes {
		kernel, factor = "cross_entropy", 1/float32(p.ofTargets)
		right := driver.At(g.right.at(lo))
		if p.train {
			right = driver.At(0)
		}
		args = append(args, right)
	}
	if !p.train {
		factor = 0
	}
	if err := p.blocks(h.slopes.kind(kernel), n, append(args, driver.Float(factor), driver.Int(wide))...); err != nil || !p.train {
		return err
	}
	if err := p.weigh(h.w, h.bias, dy, x); err != nil || h.x.grad.none() {
		return err
	}
	return p.multiply(driver.Product{To: matrix(h.x.grad.from(lo*dim), n, dim), A: dy, B: matrix(h.w.factor, wide, dim)})
}
