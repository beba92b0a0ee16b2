package cuda

// This file holds how cards add up their gradients and losses, so that all have the same
// bits. Where there is no ring each card adds up one part of the gradient, which the others
// then fetch: every sum has one order and is computed once.

import (
	"lode/engine/cuda/driver"
)

// totalsBytes is what of the workspace has the losses of all cards; gradients of others go
// through the rest.
const totalsBytes = 8 * maxCards

// reduce adds up what the cards have, all of it with a ring, else each card its part.
func (t *Team) reduce() error {
	if t.ring == nil {
		// Nobody reads of a card whose work is not done: one that is lost would not say so.
		if err := t.each(func(_ int, e *Engine) error { return e.stream.Wait() }); err != nil {
			return err
		}
		return t.each(func(i int, e *Engine) error {
			if err := t.addUp(i, e); err != nil {
				return err
			}
			return e.stream.Wait()
		})
	}
	var grads, totals []driver.Addend
	for _, e := range t.cards {
		p := e.program
		grads = append(grads, driver.Addend{Stream: e.stream, At: p.grads.at(0), N: e.layout.Len()})
		totals = append(totals, driver.Addend{Stream: e.stream, At: p.total.at(0), N: 1, Double: true})
	}
	err := t.cards[0].device.Do(func() error { return t.ring.Sum(grads, totals) })
	if err != nil {
		t.part()
	}
	return err
}

// segment returns which values of the gradient card i adds up.
func (t *Team) segment(i int) (lo, hi int) {
	const unit = 64 // values: copies like what is aligned
	d, n := t.cards[0].layout.Len(), len(t.cards)
	units := (d + unit - 1) / unit
	return min(units*i/n*unit, d), min(units*(i+1)/n*unit, d)
}

// addUp adds to a card's part of the gradient those of the cards after it, and brings all
// losses.
func (t *Team) addUp(i int, e *Engine) error {
	p, num := e.program, len(t.cards)
	lo, hi := t.segment(i)
	room := p.workspace.from(totalsBytes / 4)
	step := int(room.bytes / 4)
	for j := 1; j < num; j++ {
		other := t.cards[(i+j)%num]
		for at := lo; at < hi; at += step {
			n := min(step, hi-at)
			if err := e.stream.CopyFrom(other.device, room.at(0), other.program.grads.at(at), 4*int64(n)); err != nil {
				return err
			}
			if err := e.each("add_values", n, driver.At(p.grads.at(at)), room.arg()); err != nil {
				return err
			}
		}
	}
	for j, other := range t.cards {
		to, from := p.workspace.at(0).Plus(8*int64(j)), other.program.total.at(0)
		if other == e {
			if err := e.stream.Copy(to, from, 8); err != nil {
				return err
			}
		} else if err := e.stream.CopyFrom(other.device, to, from, 8); err != nil {
			return err
		}
	}
	return nil
}

// gather brings what the other cards have added up.
func (t *Team) gather(i int, e *Engine) error {
	p := e.program
	for j, other := range t.cards {
		if lo, hi := t.segment(j); j != i {
			if err := e.stream.CopyFrom(other.device, p.grads.at(lo), other.program.grads.at(lo), 4*int64(hi-lo)); err != nil {
				return err
			}
		}
	}
	return e.stream.Launch(e.kernels["sum_up"], driver.Grid{X: 1, Threads: 32}, p.total.arg(), p.workspace.arg(), driver.Int(len(t.cards)))
}
