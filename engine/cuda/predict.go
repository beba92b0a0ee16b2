package cuda

// This file holds predictions.

import "lode/engine"

// Predict implements engine.Predictor.
func (e *Engine) Predict(b engine.Batch) (said []float32, err error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	inputs, targets := e.Takes()
	if err := b.ValidateInputs(inputs); err != nil {
		return nil, err
	}
	b.Targets = engine.Array{}
	said = make([]float32, b.Rows*targets.Width())
	err = e.do(func() error {
		to := said
		return e.parts(b, b.NumTargets(), false, func(p *pass, _ engine.Batch) error {
			if err := p.forward(); err != nil {
				return err
			}
			n := p.rows * targets.Width()
			err := e.program.head.say(p, to[:n])
			to = to[n:]
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if err := allFinite(said); err != nil {
		return nil, err
	}
	return said, nil
}

// say brings what the head makes of the last position of each row.
func (h *head) say(p *pass, to []float32) error {
	wide, dim := h.w.rows, h.w.cols
	for lo := 0; lo < p.rows; lo += h.exactBlock {
		n := min(h.exactBlock, p.rows-lo)
		x := matrix(h.x.data.from(((lo+1)*p.steps-1)*dim), n, dim)
		x.Step = p.steps * dim
		if err := p.affine(matrix(h.exact, n, wide), x, h.w, h.bias, buffer{}); err != nil {
			return err
		}
		if err := p.download(to[lo*wide:(lo+n)*wide], h.exact.at(0)); err != nil {
			return err
		}
	}
	return nil
}
