package torch

// This file holds vectors and the optimizer's state: what lies in memory, and when it
// must be asked for or told of.

import (
	"fmt"
	"io"

	"lode/engine"
	"lode/tensor"
)

// held is D values in memory that end with their engine.
type held struct {
	of     *Engine
	values []float32
	read   func() error // before values are read or written
	write  func()       // once they are written; nil if they may not be
}

// Params implements engine.Engine.
func (e *Engine) Params() engine.Vector {
	return held{e, e.params, e.catchUp, func() { e.ahead["params"] = true }}
}

// Grad implements engine.Engine.
func (e *Engine) Grad() tensor.Reader {
	return struct{ tensor.Reader }{held{of: e, values: e.grads, read: e.catchUp}} // no more than a reader
}

// NewVector implements engine.Engine. The process never sees it.
func (e *Engine) NewVector() (engine.Vector, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	return held{e, make([]float32, e.layout.Len()), e.ready, func() {}}, nil
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
	if err := e.call("give", struct{}{}, &struct{}{}); err != nil {
		return err
	}
	e.behind = false
	return nil
}

// ReadChunk implements tensor.Reader.
func (v held) ReadChunk(c tensor.Chunk, dst []float32) error {
	ours, err := v.chunk(c, len(dst))
	copy(dst, ours)
	return err
}

// ViewChunk implements tensor.Viewer.
func (v held) ViewChunk(c tensor.Chunk) []float32 {
	ours, err := v.chunk(c, c.Len)
	if err != nil {
		return nil
	}
	return ours
}

// WriteChunk implements tensor.Writer.
func (v held) WriteChunk(c tensor.Chunk, src []float32) error {
	ours, err := v.chunk(c, len(src))
	if err != nil {
		return err
	}
	copy(ours, src)
	v.write()
	return nil
}

// chunk returns the values of c, to be copied from or to a caller's slice of so many.
func (v held) chunk(c tensor.Chunk, theirs int) ([]float32, error) {
	if err := v.read(); err != nil {
		return nil, err
	}
	n := len(v.values)
	if c.Len < 0 || c.Offset < 0 || c.Offset > n || c.Len > n-c.Offset || theirs != c.Len {
		return nil, fmt.Errorf("torch: chunk of %d values at %d with a slice of %d, model has %d", c.Len, c.Offset, theirs, n)
	}
	return v.values[c.Offset : c.Offset+c.Len], nil
}

// WriteState implements engine.Engine.
func (e *Engine) WriteState(w io.Writer) error {
	if err := e.catchUp(); err != nil {
		return err
	}
	return e.moments.WriteTo(w, e.layout)
}

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
