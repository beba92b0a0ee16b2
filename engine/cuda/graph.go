package cuda

// This file holds recorded work: one call puts all its launches into the stream.

import (
	"lode/engine"
	"lode/engine/cuda/driver"
)

// recordable is what work depends on, apart from what lies in memory, which is always at the
// same places: a pass, or the optimizer's step.
type recordable struct {
	rows, steps, ofTargets int
	train, first           bool
	optimizer, muon        bool
}

// maxRecorded bounds what is recorded. A worker has one or two shapes of batches, and
// a validator some more; passes of other shapes are launched kernel by kernel.
const maxRecorded = 16

// recorded is work by what it depends on; nil is what ran once.
type recorded map[recordable]*driver.Graph

// through puts a pass into the stream.
func through(p *pass, _ engine.Batch) error {
	return p.again(recordable{rows: p.rows, steps: p.steps, ofTargets: p.ofTargets, train: p.train, first: p.part == 1}, p.run)
}

// again puts work into the stream. Such whose like has run before is recorded, and from
// then on is one launch.
func (e *Engine) again(key recordable, run func() error) error {
	g, seen := e.recorded[key]
	switch {
	case g != nil:
	case seen:
		var err error
		if g, err = e.stream.Capture(run); err != nil {
			return err
		}
		e.recorded[key] = g
	default:
		if len(e.recorded) < maxRecorded {
			e.recorded[key] = nil
		}
		return run()
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
