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
	// Planes returns what the integers that it remembers per parameter may be.
	Planes() []Range
	// Advance turns vals, the merged values of a chunk in units of 2^−Unit, into
	// those of the step, and brings the planes, as long as vals, up to date.
	Advance(vals []int64, planes [][]int64)
}

// Range is what integers may be.
type Range struct{ Min, Max int64 }

// Names of optimizers, as manifests have them; doc.go defines each.
const (
	SGD        = "sgd"
	Nesterov   = "nesterov"
	FedAvgM    = "fedavgm"
	FedAdam    = "fedadam"
	FedYogi    = "fedyogi"
	FedAdagrad = "fedadagrad"
)

// Optimizers returns the names of all optimizers.
func Optimizers() []string { return []string{SGD, Nesterov, FedAvgM, FedAdam, FedYogi, FedAdagrad} }

// newOptimizer refuses settings that the optimizer does not use: they must be 0.
func newOptimizer(c Config) (Optimizer, error) {
	momentum := c.Momentum > 0 && c.Momentum < One
	second := c.Second > 0 && c.Second < One
	plain := c.Second == 0 && c.FloorExp == 0
	switch {
	case c.Optimizer == SGD && c.Momentum == 0 && plain:
		return sgd{c.Rate}, nil
	case c.Optimizer == Nesterov && momentum && plain:
		return nesterov{c.Rate, c.Momentum}, nil
	case c.Optimizer == FedAvgM && momentum && plain:
		return heavyBall{c.Rate, c.Momentum}, nil
	case c.Momentum >= One || c.FloorExp > 0 || c.FloorExp < -c.Unit:
	case (c.Optimizer == FedAdam || c.Optimizer == FedYogi) && second:
		return newAdaptive(c), nil
	case c.Optimizer == FedAdagrad && c.Second == 0:
		return newAdaptive(c), nil
	}
	return nil, fmt.Errorf("aggregation: no optimizer %q with momentum %d, second %d and floor 2^%d: %w",
		c.Optimizer, c.Momentum, c.Second, c.FloorExp, gradient.ErrParams)
}

// sgd: step = rate·g.
type sgd struct{ rate uint32 }

func (sgd) Planes() []Range { return nil }

func (o sgd) Advance(vals []int64, _ [][]int64) {
	if o.rate == One {
		return
	}
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

func (nesterov) Planes() []Range { return []Range{{-stateBound, stateBound}} }

func (o nesterov) Advance(vals []int64, planes [][]int64) {
	for i, v := range planes[0] {
		v = scale(v, o.momentum) + vals[i]
		planes[0][i] = v
		vals[i] = scale(vals[i]+scale(v, o.momentum), o.rate)
	}
}

// heavyBall: v ← µ·v + g, step = rate·v (FedAvgM, Hsu et al. 2019,
// arXiv:1909.06335). v is bounded as that of nesterov.
type heavyBall struct{ rate, momentum uint32 }

func (heavyBall) Planes() []Range { return []Range{{-stateBound, stateBound}} }

func (o heavyBall) Advance(vals []int64, planes [][]int64) {
	for i, v := range planes[0] {
		v = scale(v, o.momentum) + vals[i]
		planes[0][i] = v
		vals[i] = scale(v, o.rate)
	}
}

// State is where integers that outlive a merge are kept: planes of length D, the
// optimizer's first, then what waits where steps are thin. It is part of a run's
// state. A merge reads each chunk of each plane once and writes it after, one call
// at a time, in the order of the chunks.
type State interface {
	// ReadPlane fills dst, whose length is c.Len.
	ReadPlane(plane int, c tensor.Chunk, dst []int64) error
	// WritePlane stores src, whose length is c.Len, and does not keep it.
	WritePlane(plane int, c tensor.Chunk, src []int64) error
}

// Planes is a State in memory: each plane a slice of length D.
type Planes [][]int64

// NewPlanes returns the state that a run under l and cfg starts with: all zero,
// and no plane at all where nothing is remembered.
func NewPlanes(l tensor.Layout, cfg Config) (Planes, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opt, err := newOptimizer(cfg)
	if err != nil {
		return nil, err
	}
	planes := make(Planes, len(statePlanes(opt, cfg)))
	for i := range planes {
		planes[i] = make([]int64, l.Len())
	}
	return planes, nil
}

// NumPlanes returns how many planes the state under cfg has, 0 if cfg is not valid.
func NumPlanes(cfg Config) int {
	opt, err := newOptimizer(cfg)
	if err != nil {
		return 0
	}
	return len(statePlanes(opt, cfg))
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
