package cuda

// This file holds the exchange: memory of the card through which updates come and go, and
// as much pinned, in two halves. While kernels work on one half, the other is on its way, in a
// stream of its own.

import (
	"lode/engine/cuda/driver"
)

// exchangeBytes is the size of both halves at most: one is a sixth of a millisecond on its way by
// PCIe 5, longer than what it takes to begin. Small models, of which all fits, have less.
const (
	exchangeBytes    = 16 << 20
	minExchangeBytes = 1 << 16
)

// exchangeOf returns the bytes of both halves for vectors of d values.
func exchangeOf(d int) int64 { return int64(min(max(8*d, minExchangeBytes), exchangeBytes)) &^ 0xfff }

type exchange struct {
	copies *driver.Stream
	halves [2]half
	turns  int
}

// half is one half of the exchange.
type half struct {
	card    driver.Pointer
	host    driver.Host
	bytes   int
	gone    *driver.Event // what was last put on its way has arrived
	used    *driver.Event // kernels are done with what was last there
	arrived func()        // takes what was fetched out of host; nil: nothing was
}

// openExchange takes the pinned memory and what else belongs to it.
func (e *Engine) openExchange() (err error) {
	x, all := &e.exchange, e.program.exchange
	if x.copies, err = e.device.NewStream(); err != nil {
		return err
	}
	for i := range x.halves {
		h := &x.halves[i]
		h.bytes = int(all.bytes / 2)
		h.card = all.at(0).Plus(int64(i * h.bytes))
		if h.host, err = e.device.AllocHost(h.bytes); err != nil {
			return err
		}
		for _, to := range []**driver.Event{&h.gone, &h.used} {
			if *to, err = e.device.NewEvent(false); err != nil {
				return err
			}
			if err := (*to).Record(e.stream); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *exchange) close(d *driver.Device) (errs []error) {
	if x.copies != nil {
		errs = append(errs, x.copies.Wait())
	}
	for _, h := range x.halves {
		for _, ev := range []*driver.Event{h.gone, h.used} {
			if ev != nil {
				errs = append(errs, ev.Destroy())
			}
		}
		if h.host.There() {
			errs = append(errs, d.FreeHost(h.host))
		}
	}
	if x.copies != nil {
		errs = append(errs, x.copies.Destroy())
	}
	return errs
}

// turn returns the next half. Nothing is on its way from or to its pinned memory, and what
// was fetched into it has been taken out.
func (x *exchange) turn() (*half, error) {
	h := &x.halves[x.turns%2]
	x.turns++
	if err := h.gone.Wait(); err != nil {
		return nil, err
	}
	if take := h.arrived; take != nil {
		h.arrived = nil
		take()
	}
	return h, nil
}

// settle returns when all that was fetched has been taken out, in the order in which it was
// fetched.
func (x *exchange) settle() error {
	for range x.halves {
		if _, err := x.turn(); err != nil {
			return err
		}
	}
	return nil
}

// ship puts the first n bytes of a half's pinned memory on the card, where kernels find
// them that are launched from now on; leave says when these are.
func (e *Engine) ship(h *half, n int) error {
	x := &e.exchange
	if err := x.copies.After(h.used); err != nil {
		return err
	}
	if err := x.copies.Upload(h.card, h.host, int64(n)); err != nil {
		return err
	}
	if err := h.gone.Record(x.copies); err != nil {
		return err
	}
	return e.stream.After(h.gone)
}

// leave says that the kernels that work on a half have been launched.
func (e *Engine) leave(h *half) error { return h.used.Record(e.stream) }

// pour brings n values from the card, as many at a time as half of the exchange holds: the next
// are on their way while take has some.
func (e *Engine) pour(from driver.Pointer, n int, take func([]float32) error) error {
	var failed error
	for failed == nil && n > 0 {
		h, err := e.exchange.turn()
		if err != nil {
			return err
		}
		some := min(n, h.bytes/4)
		if err := e.fetch(h, from, 4*some, func() {
			if failed == nil {
				failed = take(h.host.Floats()[:some])
			}
		}); err != nil {
			return err
		}
		from, n = from.Plus(int64(4*some)), n-some
	}
	if err := e.exchange.settle(); err != nil {
		return err
	}
	return failed
}

// fetch brings n bytes of the card, of a half or from elsewhere, to that half's pinned memory, once
// the kernels that were launched are done; there take finds them later.
func (e *Engine) fetch(h *half, from driver.Pointer, n int, take func()) error {
	x := &e.exchange
	if err := e.leave(h); err != nil {
		return err
	}
	if err := x.copies.After(h.used); err != nil {
		return err
	}
	if err := x.copies.Download(h.host, from, int64(n)); err != nil {
		return err
	}
	h.arrived = take
	return h.gone.Record(x.copies)
}
