package cuda

// This file holds the last stage: the head and the loss in one, so that the predictions of
// a batch never lie in memory all at once.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// predictedBytes bounds the predictions computed at a time, but headRows rows are worth the
// reading of the whole matrix; more are a multiple of so many, as products like it.
const (
	predictedBytes = 1 << 28
	headRows       = 128
)

// head computes a loss of h·wᵀ + bias. In training the forward pass computes the
// gradients as well, since it has the predictions at hand.
type head struct {
	x           *value
	w, bias     *weight // bias is nil if there is none
	classes     bool    // the loss is cross-entropy, else squared error
	block       int     // positions whose predictions are computed at a time
	predictions buffer  // [block, wide]
	slopes      buffer  // their gradients: the same memory, or another in bf16
	exact       buffer  // the same memory where nothing is trained: float32
	exactBlock  int     // of fewer positions
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
	// As numbers of bf16 the predictions of classes are as good as values are, but not those
	// that a small difference is taken of.
	half, unit := p.half && classes, 4
	if half {
		unit = 2
	}
	h.block = max(headRows, predictedBytes/unit/h.w.rows/headRows*headRows)
	if p.headRows > 0 {
		h.block = p.headRows
	}
	h.block = min(h.block, p.positions)
	h.exactBlock = max(1, h.block*unit/4)
	h.predictions = p.memory.numbers(max(h.block, 4/unit)*h.w.rows, half)
	h.exact, h.slopes = h.predictions, h.predictions
	if h.exact.half = false; p.half && !classes {
		h.slopes = p.memory.numbers(h.block*h.w.rows, true)
	}
	p.head = h
	p.later(func() { h.x = &p.values[of] })
}

// run computes the losses of a pass, adds them to the total and, in training, leaves the
// gradients.
func (h *head) run(p *pass) error {
	block := h.block
	if !p.train {
		block = h.exactBlock
	}
	for lo := 0; lo < p.n; lo += block {
		if err := h.rows(p, lo, min(p.n, lo+block)); err != nil {
			return err
		}
	}
	g := p.program
	return p.blocks("total", 1, g.total.arg(), g.losses.arg(), driver.Int(p.n), driver.Double(1/float64(p.ofTargets)), flag(p.part > 1))
}

// rows is run for positions lo to hi.
func (h *head) rows(p *pass, lo, hi int) error {
	n, wide, dim := hi-lo, h.w.rows, h.w.cols
	predictions := h.exact
	if p.train {
		predictions = h.predictions
	}
	y, x := matrix(predictions, n, wide), matrix(h.x.data.from(lo*dim), n, dim)
	if err := p.affine(y, x, h.w, h.bias, buffer{}); err != nil {
		return err
	}
	if err := h.lose(p, predictions, lo, n); err != nil || !p.train {
		return err
	}
	dy := matrix(h.slopes, n, wide)
	if err := p.weigh(h.w, h.bias, dy, x); err != nil || h.x.grad.none() {
		return err
	}
	return p.multiply(driver.Product{To: matrix(h.x.grad.from(lo*dim), n, dim), A: dy, B: matrix(h.w.factor, wide, dim)})
}

// longRow is how many predictions are worth a block of as many threads as there can be.
const longRow = 1 << 13

// lose puts down the losses of the predictions of n positions from lo on, and leaves their
// slopes in training.
func (h *head) lose(p *pass, predictions buffer, lo, n int) error {
	g, wide := p.program, driver.Int(h.w.rows)
	targets, losses := driver.At(g.targets.at(lo*g.targetsWide)), driver.At(g.losses.at(lo))
	factor := 1 / float32(p.ofTargets)
	if !p.train {
		factor = 0
	}
	if !h.classes {
		return p.blocks(h.slopes.kind("squared_error"), n, h.slopes.arg(), predictions.arg(), targets, losses, driver.Float(2*factor), wide)
	}
	right := driver.At(0)
	if !p.train {
		right = driver.At(g.right.at(lo))
	}
	grid := driver.Grid{X: n, Threads: threads}
	if h.w.rows >= longRow {
		grid.Threads = 1024
	}
	return p.stream.Launch(p.kernels[predictions.kind("cross_entropy")], grid, predictions.arg(), targets, losses, right, driver.Float(factor), wide)
}
