package cuda

// This file holds the activation stage.

import "lode/engine/model"

// Activate implements model.Builder.
func (p *program) Activate(of model.Value, f model.Activation) model.Value {
	kernel := "relu"
	if f == model.GELU {
		kernel = "gelu"
	}
	var x, y *value
	at := p.add(kernel, func(p *pass) error {
		return p.each(y.data.kind(kernel), p.n*y.width, y.data.arg(), x.data.arg())
	}, func(p *pass) error {
		if x.grad.none() {
			return nil
		}
		return p.each(y.data.kind(kernel+"_back"), p.n*y.width, x.grad.arg(), y.grad.arg(), x.data.arg(), flag(x.added))
	})
	p.later(func() { x, y = &p.values[of], &p.values[at] })
	return at
}
