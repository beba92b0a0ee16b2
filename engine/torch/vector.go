package torch

// This file holds vectors and the optimizer's state: what lies in memory, and when it
// must be asked for or told of.

import (
	"io"
	"maps"
	"slices"

	"lode/engine"
	"lode/tensor"
)

// Params implements engine.Engine.
func (e *Engine) Params() engine.Vector {
	return engine.Memory{Name: "torch", Values: e.params, Ready: e.catchUp, Wrote: func() { e.ahead["params"] = true }}
}

// Grad implements engine.Engine.
func (e *Engine) Grad() tensor.Reader {
	return struct{ tensor.Reader }{engine.Memory{Name: "torch", Values: e.grads, Ready: e.catchUp}} // no more than a reader
}

// NewVector implements engine.Engine. The process never sees it.
func (e *Engine) NewVector() (engine.Vector, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	return engine.Memory{Name: "torch", Values: make([]float32, e.layout.Len()), Ready: e.ready}, nil
}

// catchUp sees to it that values here are those of the process. Several goroutines
// may ask at once.
func (e *Engine) catchUp() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.ready(); err != nil {
		return err
	}
	if !e.behind {
		return nil
	}
	// A call that was refused may have left both sides with something new.
	if err := e.call("give", map[string]any{"taken": e.taken()}, &struct{}{}); err != nil {
		return err
	}
	clear(e.ahead)
	e.behind = false
	return nil
}

// taken names what the process must take from here.
func (e *Engine) taken() []string {
	return slices.AppendSeq([]string{}, maps.Keys(e.ahead))
}

// WriteState implements engine.Engine.
func (e *Engine) WriteState(w io.Writer) error {
	if err := e.catchUp(); err != nil {
		return err
	}
	return e.moments.WriteTo(w, e.layout)
}

// StateLen returns how many bytes WriteState writes.
func (e *Engine) StateLen() int64 { return engine.MomentsLen(e.layout) }

// ReadState implements engine.Engine.
func (e *Engine) ReadState(r io.Reader) error {
	if err := e.catchUp(); err != nil {
		return err
	}
	m, err := engine.ReadMoments(r, e.layout)
	if err != nil {
		return err
	}
	e.moments.Steps = m.Steps
	copy(e.moments.First, m.First)
	copy(e.moments.Second, m.Second)
	e.ahead["moments"] = true
	return nil
}
