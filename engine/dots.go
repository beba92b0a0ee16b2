package engine

// This file holds products with the gradient where it lives.

import "lode/gradient"

// Dotter is an engine that multiplies its gradient where it lives, with the bits
// that [Dots] finds for any engine.
type Dotter interface {
	Dots(vs []gradient.Vector) ([]float64, error)
}

// Dots returns the dot product of each vector with the gradient last computed,
// as [gradient.Dot] does.
func Dots(e Engine, vs []gradient.Vector) ([]float64, error) {
	if d, ok := e.(Dotter); ok {
		return d.Dots(vs)
	}
	out, grad := make([]float64, len(vs)), e.Grad()
	for i, v := range vs {
		var err error
		if out[i], err = gradient.Dot(v, grad); err != nil {
			return nil, err
		}
	}
	return out, nil
}
