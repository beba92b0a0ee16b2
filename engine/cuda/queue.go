package cuda

// This file holds the queue of steps: what each is taken with goes to the card, and what came
// of it comes back, while the host goes on.

import (
	"fmt"

	"lode/engine"
	"lode/engine/cuda/driver"
)

// queueSlots is how many steps may be queued. The windows of batches let the host be two parts of
// batches ahead of the card, so more would not be used.
const queueSlots = 4

// slotBytes is the pinned memory of a step: a Hyper and an Outcome of optimizer.cu.
const slotBytes = hyperBytes + outcomeBytes

// queue is steps that were put into the stream and not read of, the oldest first.
type queue struct {
	host   driver.Host // of all slots
	done   [queueSlots]*driver.Event
	steps  []queued
	failed error // of a step that was read of, until somebody is told
}

// queued is a step in the queue.
type queued struct {
	number uint64 // of the optimizer, from 1
	said   func(loss float64)
}

// slot is which pinned memory and which event are the step's.
func (s queued) slot() int { return int(s.number % queueSlots) }

func (q *queue) open(d *driver.Device) (err error) {
	if q.host, err = d.AllocHost(queueSlots * slotBytes); err != nil {
		return err
	}
	for i := range q.done {
		if q.done[i], err = d.NewEvent(false); err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) close(d *driver.Device) (errs []error) {
	if q.host.There() {
		errs = append(errs, d.FreeHost(q.host))
	}
	for _, e := range q.done {
		if e != nil {
			errs = append(errs, e.Destroy())
		}
	}
	return errs
}

// Queue implements engine.Queuer.
func (e *Engine) Queue(b engine.Batch, h engine.Hyper, said func(loss float64)) error {
	h, err := h.Resolve()
	if err != nil {
		return err
	}
	if err := e.refuse(b); err != nil {
		return err
	}
	if err := e.collect(queueSlots - 1); err != nil {
		return err
	}
	if e.queue.failed != nil {
		return e.Wait()
	}
	s := queued{e.steps + 1, said}
	if err := e.do(func() error { return e.enqueue(b, h, s) }); err != nil {
		return err
	}
	e.steps = s.number
	e.queue.steps = append(e.queue.steps, s)
	return nil
}

// enqueue puts a step into the stream.
func (e *Engine) enqueue(b engine.Batch, h engine.Hyper, s queued) error {
	if err := e.parts(b, b.NumTargets(), true, through); err != nil {
		return err
	}
	return e.advance(h, s)
}

// advance puts the optimizer's part of a step into the stream.
func (e *Engine) advance(h engine.Hyper, s queued) error {
	g, host := e.program, e.queue.host.From(s.slot()*slotBytes)
	copy(host.Bytes(), hyperOf(h, s.number))
	if err := e.stream.Upload(g.hyper.at(0), host, hyperBytes); err != nil {
		return err
	}
	if err := e.update(h.Muon); err != nil {
		return err
	}
	if err := e.stream.Download(host.From(hyperBytes), g.outcome.at(0), outcomeBytes); err != nil {
		return err
	}
	return e.queue.done[s.slot()].Record(e.stream)
}

// Wait implements engine.Queuer.
func (e *Engine) Wait() error {
	if err := e.collect(0); err != nil {
		return err
	}
	err := e.queue.failed
	e.queue.failed = nil
	return err
}

// collect waits until at most so many steps are queued, and tells their losses. Of one that
// moved nothing queue.failed says why; it ends the queue.
func (e *Engine) collect(most int) error {
	if err := e.ready(); err != nil {
		return err
	}
	for q := &e.queue; len(q.steps) > most; {
		s := q.steps[0]
		if err := e.do(q.done[s.slot()].Wait); err != nil {
			return err
		}
		norm, moves, loss := q.outcome(s)
		if !moves {
			what, is := "loss", loss
			if finite(loss) {
				what, is = "gradient's norm", norm
			}
			q.failed = fmt.Errorf("cuda: step %d: the %s is %v: %w", s.number, what, is, engine.ErrNotFinite)
			e.steps, q.steps = s.number-1, nil
			return e.do(e.mend)
		}
		q.steps = q.steps[1:]
		s.said(loss)
	}
	return nil
}

// outcome is what came of a step that is done.
func (q *queue) outcome(s queued) (norm float64, moves bool, loss float64) {
	o := q.host.From(s.slot()*slotBytes + hyperBytes).Doubles()
	return o[0], o[2] != 0, o[3]
}

// mend lets steps move again, once those that were queued behind one that failed have
// passed.
func (e *Engine) mend() error {
	if err := e.stream.Zero(e.program.outcome.at(0), outcomeBytes); err != nil {
		return err
	}
	return e.stream.Wait()
}
