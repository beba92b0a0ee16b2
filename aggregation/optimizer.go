package aggregation

// This file holds the outer optimizers: what is made of the merged update.

import (
	"fmt"

	"lode/gradient"
	"lode/tensor"
)

// Optimizer turns a merged update into a step, in integers. It holds no state
// itself and may be used by several goroutines.
type Optimizer interface {
	// NumPlanes returns how many integers it remembers per parameter.
	NumPlanes() int
	// Advance turns vals, the merged values of a chunk in units of 2^−Unit, into
	// those of the step, and brings the planes, as long as vals, up to date.
	Advance(vals []int64, planes [][]int64)
}

func newOptimizer(c Config) (Optimizer, error) {
	switch {
	case c.Optimizer == "sgd" && c.Momentum == 0:
		return sgd{c.Rate}, nil
	case c.Optimizer == "nesterov" && c.Momentum > 0 && c.Momentum < One:
		return nesterov{c.Rate, c.Momentum}, nil
	}
	return nil, fmt.Errorf("aggregation: no optimizer %q with momentum %d: %w", c.Optimizer, c.Momentum, gradient.ErrParams)
}

// sgd: step = rate·g.
type sgd struct{ rate uint32 }

func (sgd) NumPlanes() int { return 0 }

func (o sgd) Advance(vals []int64, _ [][]int64) {
	for i, g := range vals {
		if g != 0 {
			vals[i] = scale(g, o.rate)
		}
	}
}

// nesterov: v ← µ·v + g, step = rate·(g + µ·v), each product rounded
// (Sutskever et al. 2013, in the form of PyTorch's SGD).
//
// |g| <= 2^44 and µ <= 1 − 2^−16 keep |v| within 2^60 for ever:
// 2^60·(1 − 2^−16) + 2^44 = 2^60, and rounding to nearest cannot pass an integer.
type nesterov struct{ rate, momentum uint32 }

func (nesterov) NumPlanes() int { return 1 }

func (o nesterov) Advance(vals []int64, planes [][]int64) {
	for i, v := range planes[0] {
		v = scale(v, o.momentum) + vals[i]
		planes[0][i] = v
		vals[i] = scale(vals[i]+scale(v, o.momentum), o.rate)
	}
}

// State is where the optimizer's integers live: planes of length D, in units
// of 2^−Unit. It is part of a run's state. A merge reads each chunk of each
// plane once and writes it after, one call at a time, in the order of the
// chunks.
type State interface {
	// ReadPlane fills dst, whose length is c.Len.
	ReadPlane(plane int, c tensor.Chunk, dst []int64) error
	// WritePlane stores src, whose length is c.Len, and does not keep it.
	WritePlane(plane int, c tensor.Chunk, src []int64) error
}

// Planes is a State in memory: each plane a slice of length D.
type Planes [][]int64

// NewPlanes returns the state that a run under l and cfg starts with: all zero,
// and no plane at all where the optimizer has none.
func NewPlanes(l tensor.Layout, cfg Config) (Planes, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opt, err := newOptimizer(cfg)
	if err != nil {
		return nil, err
	}
	planes := make(Planes, opt.NumPlanes())
	for i := range planes {
		planes[i] = make([]int64, l.Len())
	}
	return planes, nil
}

// ReadPlane implements [State].
func (p Planes) ReadPlane(plane int, c tensor.Chunk, dst []int64) error {
	copy(dst, p[plane][c.Offset:c.Offset+c.Len])
	return nil
}

// WritePlane implements [State].
func (p Planes) WritePlane(plane int, c tensor.Chunk, src []int64) error {
	copy(p[plane][c.Offset:c.Offset+c.Len], src)
	return nil
}
