package cuda

// This file holds how a team works on a batch: each card on a part of its rows.

import (
	"errors"
	"fmt"

	"lode/engine"
)

// Loss implements engine.Engine.
func (t *Team) Loss(b engine.Batch) (float64, error) { return t.measure(b, false) }

// Gradient implements engine.Engine.
func (t *Team) Gradient(b engine.Batch) (float64, error) { return t.measure(b, true) }

// Step implements engine.Engine.
func (t *Team) Step(b engine.Batch, h engine.Hyper) (loss float64, err error) {
	if h, err = h.Resolve(); err != nil {
		return 0, err
	}
	step := queued{t.cards[0].steps + 1, func(l float64) { loss = l }}
	if err := t.run(b, true, func(e *Engine) error { return e.advance(h, step) }); err != nil {
		return 0, err
	}
	if err := t.agree(step); err != nil {
		return 0, t.lose(err)
	}
	for _, e := range t.cards { // all say the same
		e.steps, e.queue.steps = step.number, append(e.queue.steps, step)
		if werr := e.Wait(); err == nil || errors.Is(werr, engine.ErrLost) {
			err = werr
		}
	}
	if errors.Is(err, engine.ErrLost) {
		err = t.lose(err)
	}
	return loss, err
}

// agree refuses a step, which is done, whose loss or norm differs between cards: what went from
// card to card did not arrive, and their parameters differ by now.
func (t *Team) agree(step queued) error {
	norm, moves, loss := t.cards[0].queue.outcome(step)
	for i, e := range t.cards[1:] {
		n, m, l := e.queue.outcome(step)
		if m != moves || moves && (n != norm || l != loss) {
			return fmt.Errorf("step %d: card %d of the team finds a loss of %v and a gradient's norm of %v, the first %v and %v: what one sends does not reach the other, as where an IOMMU stands between them: give them to workers of their own",
				step.number, i+1, l, n, loss, norm)
		}
	}
	return nil
}

// measure puts a batch through the model, adds up gradients where they are wanted, and returns
// the loss.
func (t *Team) measure(b engine.Batch, train bool) (float64, error) {
	if err := t.run(b, train, nil); err != nil {
		return 0, err
	}
	if train {
		return checkLoss(t.cards[0].numbers.Doubles()[0])
	}
	loss := 0.0
	for _, e := range t.cards {
		loss += e.numbers.Doubles()[0]
	}
	return checkLoss(loss)
}

// run has all cards work on a batch with the same parameters, then on what after puts into the
// stream of each, and waits for them.
func (t *Team) run(b engine.Batch, train bool, after func(*Engine) error) error {
	first := t.cards[0]
	if err := first.refuse(b); err != nil {
		return err
	}
	if first.edited {
		if err := t.spread(func(e *Engine) []buffer { return []buffer{e.program.params} }); err != nil {
			return err
		}
		first.edited = false
		for _, e := range t.cards {
			e.stale = true
		}
	}
	if err := t.work(b, train, after); err != nil {
		return t.lose(err)
	}
	return nil
}

func (t *Team) work(b engine.Batch, train bool, after func(*Engine) error) error {
	if err := t.each(func(i int, e *Engine) error { return e.share(t.rows(b, i), b.NumTargets(), train) }); err != nil {
		return err
	}
	if train {
		if err := t.reduce(); err != nil {
			return err
		}
	}
	copies := train && t.ring == nil // each may end the ring meanwhile
	return t.each(func(i int, e *Engine) error {
		if copies {
			if err := t.gather(i, e); err != nil {
				return err
			}
		}
		if after != nil {
			if err := after(e); err != nil {
				return err
			}
		}
		if err := e.stream.Download(e.numbers, e.program.total.at(0), 8); err != nil {
			return err
		}
		return e.stream.Wait()
	})
}

// rows returns the part of a batch that is for card i, which may have no rows.
func (t *Team) rows(b engine.Batch, i int) engine.Batch {
	n := len(t.cards)
	return b.Part(b.Rows*i/n, b.Rows*(i+1)/n)
}

// share puts a card's part of a batch through the model. Without rows loss and gradient are
// zero.
func (e *Engine) share(b engine.Batch, targets int, train bool) error {
	if b.Rows > 0 {
		return e.parts(b, targets, train, through)
	}
	e.reading.of = nil
	if err := e.stream.Zero(e.program.total.at(0), e.program.total.bytes); err != nil || !train {
		return err
	}
	return e.stream.Zero(e.program.grads.at(0), e.program.grads.bytes)
}

// spread gives all cards what the first has in some buffers.
func (t *Team) spread(of func(*Engine) []buffer) error {
	first := t.cards[0]
	if err := first.do(first.stream.Wait); err != nil {
		return err
	}
	from := of(first)
	err := t.each(func(_ int, e *Engine) error {
		if e == first {
			return nil
		}
		for i, to := range of(e) {
			if err := e.stream.CopyFrom(first.device, to.at(0), from[i].at(0), to.bytes); err != nil {
				return err
			}
		}
		return e.stream.Wait()
	})
	if err != nil {
		return t.lose(err)
	}
	return nil
}
