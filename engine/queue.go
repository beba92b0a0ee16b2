package engine

// This file holds steps that are not waited for.

// Queuer is an engine that takes steps without waiting for their losses: the next batch is
// made while it works. Whatever else is asked of it sees queued steps as taken.
type Queuer interface {
	// Queue takes a step as Step does. It may return before that is done, and does not keep
	// b. The loss is told by said, in a later call of Queue or in Wait, in the order of
	// steps. Few steps are queued at a time; then Queue waits for the first of them.
	//
	// A loss or gradient that is not finite moves nothing, in that step and in all that
	// are queued after it; none of their losses is told. The next Wait returns
	// [ErrNotFinite] with the number of the step, counted from 1 as in the optimizer's
	// state; so may Queue, which then takes no step, and Step. Once that was returned the
	// queue is empty, and steps go on from there.
	Queue(b Batch, h Hyper, said func(loss float64)) error

	// Wait returns when all queued steps are done and their losses told.
	Wait() error
}

// queuer returns e as a Queuer; where it is none, each step is waited for.
func queuer(e Engine) Queuer {
	if q, ok := e.(Queuer); ok {
		return q
	}
	return waiting{e}
}

type waiting struct{ Engine }

func (w waiting) Queue(b Batch, h Hyper, said func(float64)) error {
	loss, err := w.Step(b, h)
	if err == nil {
		said(loss)
	}
	return err
}

func (waiting) Wait() error { return nil }
