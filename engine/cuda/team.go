package cuda

// This file holds several cards that train one model.

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/engine/model"
	"lode/tensor"
)

// lead is what the first card of a team does for all.
type lead interface {
	engine.Compressor
	engine.Dotter
	engine.Grader
	engine.Predictor
	shape
	vectors
}

// shape and vectors are what of an Engine a team leaves to its first card.
type shape interface {
	Layout() tensor.Layout
	Takes() (inputs, targets engine.Port)
	Card() driver.Info
}

type vectors interface {
	Params() engine.Vector
	Grad() tensor.Reader
	NewVector() (engine.Vector, error)
	WriteState(w io.Writer) error
	StateLen() int64
}

// Team trains one model on several cards, as an Engine does on one: each has parameters,
// gradient and moments, gets a part of a batch's rows, and takes the same steps along the sum
// of all gradients. Vectors are the first card's, and so is everything that works on them.
// What is lost of a card is lost of all. Make one with [NewTeam].
type Team struct {
	lead
	cards []*Engine
	ring  *driver.Ring // nil: cards add up themselves
	means string
}

var (
	_ engine.Engine   = (*Team)(nil)
	_ engine.Reopener = (*Team)(nil)
)

// maxCards bounds a team.
const maxCards = 64

// NewTeam returns an engine for m on at least two cards of one kind, whose parameters are all
// zero. opt.Card is not looked at; opt.MaxBytes is for each card.
func NewTeam(m model.Model, opt Options, cards []int) (_ *Team, err error) {
	if len(cards) < 2 || len(cards) > maxCards {
		return nil, fmt.Errorf("cuda: a team of %d cards, want 2 to %d", len(cards), maxCards)
	}
	if sorted := slices.Sorted(slices.Values(cards)); len(slices.Compact(sorted)) < len(cards) {
		return nil, fmt.Errorf("cuda: cards %v: one of them twice", cards)
	}
	if opt.Libraries == nil {
		opt.Libraries = driver.Find(driver.Folders())
	}
	t := &Team{}
	defer func() {
		if err != nil {
			_ = t.Close()
			err = fmt.Errorf("cuda: %w", err)
		}
	}()
	for _, c := range cards {
		e, err := openCard(m, opt, c)
		if err != nil {
			return nil, err
		}
		t.cards = append(t.cards, e)
	}
	t.lead = t.cards[0]
	if err := t.alike(); err != nil {
		return nil, err
	}
	if err := t.meet(); err != nil {
		return nil, err
	}
	return t, t.begin(opt)
}

// alike refuses cards that would not find the same bits.
func (t *Team) alike() error {
	first := t.Card()
	for _, e := range t.cards[1:] {
		if c := e.Card(); !c.Alike(first) {
			return fmt.Errorf("%s and %s are not of one kind: each must find the same bits, so give them to workers of their own", first.Name, c.Name)
		}
	}
	return nil
}

// begin takes as much of each card, and plans for the one that has the least.
func (t *Team) begin(opt Options) error {
	num := len(t.cards)
	rooms := make([]int64, num)
	err := t.each(func(i int, e *Engine) (err error) {
		rooms[i], err = e.room(opt)
		return err
	})
	if err != nil {
		return err
	}
	opt.Loads = slices.Clone(opt.Loads)
	for i := range opt.Loads {
		opt.Loads[i].Rows = (opt.Loads[i].Rows + num - 1) / num
	}
	return t.each(func(_ int, e *Engine) error { return e.begin(opt, slices.Min(rooms)) })
}

// meet has the cards find ways to each other: NCCL, else copies.
func (t *Team) meet() error {
	direct := make([]bool, len(t.cards))
	err := t.each(func(i int, e *Engine) error {
		direct[i] = true
		for _, other := range t.cards {
			if other == e {
				continue
			}
			can, err := e.device.Reach(other.device)
			if err != nil {
				return err
			}
			direct[i] = direct[i] && can
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.means = "copies from card to card"; slices.Contains(direct, false) {
		t.means = "copies through the memory of the host"
	}
	first := t.cards[0].device
	var devices []*driver.Device
	for _, e := range t.cards {
		devices = append(devices, e.device)
	}
	err = first.Do(func() (err error) {
		t.ring, err = driver.NewRing(devices)
		return err
	})
	switch {
	case err == nil:
		t.means = "NCCL " + driver.VersionNCCL(first.Libraries().NCCL.Version)
	case errors.Is(err, engine.ErrLost):
		return err
	case !errors.Is(err, driver.ErrAbsent):
		t.means += fmt.Sprintf(" (%v)", err)
	}
	return nil
}

// Means says in words how gradients go from card to card.
func (t *Team) Means() string { return t.means }

// Plan returns what is taken of each card's memory.
func (t *Team) Plan() Plan {
	p := t.cards[0].plan
	p.Cards = len(t.cards)
	return p
}

// each runs f for all cards at the same time, on the threads that own them. After an error
// nobody waits for anybody.
func (t *Team) each(f func(i int, e *Engine) error) error {
	errs := make(chan error, len(t.cards))
	for i, e := range t.cards {
		go func() { errs <- e.device.Do(func() error { return f(i, e) }) }() // ends with f
	}
	var first error
	for range t.cards {
		if err := <-errs; err != nil && first == nil {
			first = err
			t.part()
		}
	}
	return first
}

// part ends the ring, and what waits for its sums.
func (t *Team) part() {
	if t.ring != nil {
		t.ring.Abort()
		t.ring = nil
	}
}

// lose notes that a card has failed: the cards may differ by now, so all begin anew.
func (t *Team) lose(err error) error {
	if !errors.Is(err, engine.ErrLost) {
		err = fmt.Errorf("%w: %w", engine.ErrLost, err)
	}
	err = fmt.Errorf("cuda: %w", err)
	t.part()
	t.cards[0].lost = err // which all ask
	return err
}

// ReadState implements engine.Engine.
func (t *Team) ReadState(r io.Reader) error {
	first := t.cards[0]
	if err := first.ReadState(r); err != nil {
		return err
	}
	if err := t.spread(func(e *Engine) []buffer { return []buffer{e.program.first, e.program.second} }); err != nil {
		return err
	}
	for _, e := range t.cards {
		e.steps = first.steps
	}
	return nil
}

// Reopen implements engine.Reopener. It does nothing to a team that is not lost.
func (t *Team) Reopen() error {
	first := t.cards[0]
	if first.closed {
		return engine.ErrClosed
	}
	if first.lost == nil {
		return nil
	}
	t.part() // the first may have been alone in what lost it
	for _, e := range t.cards {
		if err := e.revive(); err != nil {
			return err
		}
	}
	if err := t.meet(); err != nil {
		return fmt.Errorf("cuda: %w: %w", engine.ErrLost, err)
	}
	for _, e := range t.cards {
		if err := e.retake(); err != nil {
			return t.lose(err)
		}
	}
	return nil
}

// Close implements engine.Engine.
func (t *Team) Close() error {
	var errs []error
	if len(t.cards) > 0 && t.cards[0].lost != nil {
		t.part()
	}
	if t.ring != nil {
		errs = append(errs, t.cards[0].device.Do(t.ring.Close))
		t.ring = nil
	}
	for _, e := range t.cards {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}
