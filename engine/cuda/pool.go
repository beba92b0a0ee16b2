package cuda

// This file holds the pooling stage.

import (
	"lode/engine/cuda/driver"
	"lode/engine/model"
)

// Pool implements model.Builder.
func (p *program) Pool(of model.Value, m model.Pool) model.Value {
	s, from := newPlanes(p.Values[of].Shape, m.Window), buffer{}
	if !m.Mean {
		from = p.memory.floats(p.positions * s.num * s.windows())
	}
	origin := func() driver.Arg { // null for means
		if m.Mean {
			return driver.At(0)
		}
		return from.arg()
	}
	var x, y *value
	at := p.add("pool", func(p *pass) error {
		return p.each(y.data.kind("pool"), p.n*y.width, s.with(y.data.arg(), origin(), x.data.arg())...)
	}, func(p *pass) error {
		if x.grad.none() {
			return nil
		}
		return p.each(y.grad.kind("pool_back"), p.n*x.width, append(s.with(x.grad.arg(), y.grad.arg(), origin()), flag(x.added))...)
	})
	p.later(func() { x, y = &p.values[of], &p.values[at] })
	return at
}
