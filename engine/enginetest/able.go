package enginetest

// This file holds an engine with every optional ability, for tests that what asks
// for an ability uses it.

import (
	"errors"

	"lode/engine"
	"lode/gradient"
	"lode/tensor"
)

// Able gives an engine the optional abilities and counts their use. It has its
// own way to the results: whole vectors, where package engine goes by chunks.
type Able struct {
	engine.Engine
	Compressed, Multiplied int // calls
}

// Compress implements engine.Compressor.
func (a *Able) Compress(p gradient.Params, f engine.Feedback) (*gradient.Update, error) {
	a.Compressed++
	l := a.Layout()
	sum, start, now := make(tensor.Flat, l.Len()), make(tensor.Flat, l.Len()), make(tensor.Flat, l.Len())
	if err := errors.Join(tensor.Copy(l, sum, f.Residual), tensor.Copy(l, start, f.Start), tensor.Copy(l, now, a.Params())); err != nil {
		return nil, err
	}
	for i := range sum {
		sum[i] = float32(f.Decay*sum[i]) + (start[i] - now[i])
	}
	u, err := gradient.Encode(l, p, sum)
	if err != nil {
		return nil, err
	}
	return u, tensor.Copy(l, f.Into, sum)
}

// Dots implements engine.Dotter.
func (a *Able) Dots(vs []gradient.Vector) ([]float64, error) {
	a.Multiplied++
	grad := make(tensor.Flat, a.Layout().Len())
	if err := tensor.Copy(a.Layout(), grad, a.Grad()); err != nil {
		return nil, err
	}
	out := make([]float64, len(vs))
	for i := len(vs) - 1; i >= 0; i-- {
		var err error
		if out[i], err = gradient.Dot(vs[i], grad); err != nil {
			return nil, err
		}
	}
	return out, nil
}
