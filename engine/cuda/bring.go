package cuda

// This file holds how batches come onto the card.

import (
	"lode/engine"
	"lode/engine/cuda/driver"
)

// batchWindow is pinned memory in which a part of a batch is on its way: inputs, targets and
// where tokens stand. There are two, so that the host prepares one part while the card works on
// the one before.
type batchWindow struct {
	host driver.Host
	gone *driver.Event // its content has been copied
}

// openWindows takes the windows.
func (e *Engine) openWindows() (err error) {
	g := e.program
	for i := range e.batches {
		w := &e.batches[i]
		if w.host, err = e.device.AllocHost(4*g.positions*(g.inputsWide+g.targetsWide) + int(g.groups.bytes)); err != nil {
			return err
		}
		if w.gone, err = e.device.NewEvent(false); err != nil {
			return err
		}
	}
	return nil
}

func (w *batchWindow) close(d *driver.Device) (errs []error) {
	if w.host.There() {
		errs = append(errs, d.FreeHost(w.host))
	}
	if w.gone != nil {
		errs = append(errs, w.gone.Destroy())
	}
	return errs
}

// bring puts a part's inputs and targets on the card.
func (e *Engine) bring(b engine.Batch, train bool) error {
	w := &e.batches[e.passes%len(e.batches)]
	if err := w.gone.Wait(); err != nil {
		return err
	}
	host, g := w.host, e.program
	for _, a := range []struct {
		engine.Array
		to driver.Pointer
	}{{b.Inputs, g.inputs.at(0)}, {b.Targets, g.targets.at(0)}} {
		n := copy(host.Ints(), a.IDs) + copy(host.Floats(), a.Reals)
		if err := e.stream.Upload(a.to, host, 4*int64(n)); err != nil {
			return err
		}
		host = host.From(4 * n)
	}
	if train && !g.groups.none() {
		n := numGroups(len(b.Inputs.IDs))
		group(host.Ints()[:n], b.Inputs.IDs, e.counts)
		if err := e.stream.Upload(g.groups.at(0), host, 4*int64(n)); err != nil {
			return err
		}
	}
	return w.gone.Record(e.stream)
}
