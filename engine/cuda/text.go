package cuda

// This file holds how a text is read on: one token at a time over a window of past keys
// and values.

import (
	"errors"
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/engine/kernel"
	"lode/engine/model"
)

// recall is what is remembered of a text: memory of its own, taken when the first begins.
type recall struct {
	memory arena
	length int    // tokens that are remembered: as many as inputs may have
	scores buffer // of all heads of a stage, [heads, length]
	heads  int    // of the stage that has most
	tables map[model.Heads]tables
	begun  int // texts; the newest alone goes on
}

// text is one that goes on.
type text struct {
	number int // as it began
	at     int // tokens read
}

// window plans what an attention stage remembers: [length, 2, kv heads · hd].
func (r *recall) window(h model.Heads, hd int, half bool) buffer {
	r.heads = max(r.heads, h.Query)
	if _, ok := r.tables[h]; !ok {
		r.tables[h] = tables{r.memory.floats(hd / 2), r.memory.floats(hd / 2)}
	}
	return r.memory.numbers(r.length*2*h.KV*hd, half)
}

// Continue implements engine.Continuer for models of text. Of several texts the newest goes
// on, and none beyond the loss of the card.
//
// Every layer attends to as many tokens as inputs may have. Positions are relative, so text
// may grow beyond that, as with lode/engine/cpu.
func (e *Engine) Continue() (func(ids []int32) ([]float32, error), error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	inputs, targets := e.Takes()
	if !inputs.Series || inputs.Limit == 0 || targets.Limit != inputs.Limit {
		return nil, fmt.Errorf("cuda: a model of family %s makes no text", e.arch.Family())
	}
	r := &e.program.recall
	if r.memory.base == 0 && r.memory.bytes > 0 {
		if err := e.do(func() error {
			if err := e.mayTake("what is remembered of a text", r.memory.bytes); err != nil {
				return err
			}
			return r.memory.allocate(e.device)
		}); err != nil {
			return nil, err
		}
	}
	r.begun++
	t := &text{number: r.begun}
	return func(ids []int32) ([]float32, error) { return e.read(t, ids) }, nil
}

// read takes a text's next tokens and says what comes after them.
func (e *Engine) read(t *text, ids []int32) ([]float32, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	inputs, targets := e.Takes()
	switch {
	case t.number != e.program.recall.begun:
		return nil, errors.New("cuda: the text has ended: another was begun, or the card was lost")
	case len(ids) == 0:
		return nil, errors.New("cuda: no token to go on after")
	}
	for i, id := range ids {
		if id < 0 || int(id) >= inputs.Limit {
			return nil, fmt.Errorf("cuda: token %d is %d, the vocabulary has %d", i, id, inputs.Limit)
		}
	}
	said := make([]float32, targets.Width())
	err := e.do(func() error {
		if err := e.refresh(); err != nil {
			return err
		}
		p := &pass{Engine: e, rows: 1, steps: 1, n: 1, text: t}
		for _, id := range ids {
			if err := p.read(id); err != nil {
				return err
			}
		}
		return e.program.head.say(p, said)
	})
	if err == nil {
		err = allFinite(said)
	}
	if err != nil {
		return nil, err
	}
	return said, nil
}

// read puts a token through the stages.
func (p *pass) read(id int32) error {
	g, t := p.program, p.text
	if err := p.upload(g.inputs.at(0), []float32{math.Float32frombits(uint32(id))}); err != nil {
		return err
	}
	for h, to := range g.recall.tables {
		cos, sin := kernel.Rotary(h.Theta, int(to.cos.bytes/4), t.at, 1)
		if err := p.upload(to.cos.at(0), cos); err != nil {
			return err
		}
		if err := p.upload(to.sin.at(0), sin); err != nil {
			return err
		}
	}
	p.part = t.at + 1
	if err := p.forward(); err != nil {
		return err
	}
	t.at++
	return nil
}

// next is attention of the token that a text has come to: its key and value go to where the
// oldest were.
func (s *attention) next(p *pass, how int) error {
	r, row := &p.program.recall, 2*s.KV*s.hd
	if err := s.rotate(p, s.turned.data, s.x.data, r.tables[s.Heads], 1, how); err != nil {
		return err
	}
	if err := p.stream.Copy(s.window.at(p.text.at%r.length*row), s.turned.data.at(s.Query*s.hd), s.window.unit()*int64(row)); err != nil {
		return err
	}
	return p.blocks(s.y.data.kind("attend_next"), s.Query, s.y.data.arg(), r.scores.arg(), s.turned.data.arg(), s.window.arg(),
		driver.Int(min(p.text.at+1, r.length)), driver.Int(r.length), driver.Int(s.Query), driver.Int(s.KV), driver.Int(s.hd))
}

// allFinite says which number of predictions is none.
func allFinite(said []float32) error {
	for i, v := range said {
		if !finite(float64(v)) {
			return fmt.Errorf("cuda: prediction %d is %v: %w", i, v, engine.ErrNotFinite)
		}
	}
	return nil
}
