package cuda

// This file holds recorded passes: one call puts all their launches into the stream.

import "lode/engine/cuda/driver"

// recordable is what a pass depends on, apart from what lies in memory, which is
// always at the same places.
type recordable struct {
	rows, steps, ofTargets int
	train, first           bool
}

// maxRecorded bounds the recorded passes. A worker has one or two shapes of batches, and
// a validator some more; other shapes are launched kernel by kernel.
const maxRecorded = 16

// recorded are passes by what they depend on; nil are those that ran once.
type recorded map[recordable]*driver.Graph

// through puts a pass into the stream. One whose like has run before is recorded, and
// from then on is one launch.
func (e *Engine) through(p *pass) error {
	key := recordable{p.rows, p.steps, p.ofTargets, p.train, p.part == 1}
	g, seen := e.recorded[key]
	switch {
	case g != nil:
	case seen:
		var err error
		if g, err = e.stream.Capture(p.run); err != nil {
			return err
		}
		e.recorded[key] = g
	default:
		if len(e.recorded) < maxRecorded {
			e.recorded[key] = nil
		}
		return p.run()
	}
	return g.Launch(e.stream)
}

// destroy gives back all of it.
func (r recorded) destroy() (errs []error) {
	for _, g := range r {
		if g != nil {
			errs = append(errs, g.Destroy())
		}
	}
	return errs
}
