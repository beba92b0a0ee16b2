package cuda

// This file holds the SwiGLU stage.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// SwiGLU implements model.Builder.
func (p *program) SwiGLU(of model.Value) model.Value {
	var x, y *value
	at := p.add("swiglu", func(p *pass) error {
		return p.blocks(y.data.kind("swiglu"), p.n, y.data.arg(), x.data.arg(), driver.Int(y.width))
	}, func(p *pass) error {
		if x.grad.none() {
			return nil
		}
		return p.blocks(y.grad.kind("swiglu_back"), p.n, x.grad.arg(), y.grad.arg(), x.data.arg(), flag(x.added), driver.Int(y.width))
	})
	p.later(func() { x, y = &p.values[of], &p.values[at] })
	return at
}
