package cpu

// This file holds vectors: parameters, gradient and what an owner asks for.

import (
	"fmt"

	"lode/engine"
	"lode/tensor"
)

// held is D values in memory that end with their engine.
type held struct {
	of     *Engine
	values []float32
}

// Params implements engine.Engine.
func (e *Engine) Params() engine.Vector { return held{e, e.params} }

// Grad implements engine.Engine.
func (e *Engine) Grad() tensor.Reader {
	return struct{ tensor.Reader }{held{e, e.grads}} // no more than a reader
}

// NewVector implements engine.Engine.
func (e *Engine) NewVector() (engine.Vector, error) {
	if e.closed {
		return nil, engine.ErrClosed
	}
	return held{e, make([]float32, e.layout.Len())}, nil
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
	copy(ours, src)
	return err
}

// chunk returns the values of c, to be copied from or to a caller's slice of so many.
func (v held) chunk(c tensor.Chunk, theirs int) ([]float32, error) {
	if v.of.closed {
		return nil, engine.ErrClosed
	}
	n := len(v.values)
	if c.Len < 0 || c.Offset < 0 || c.Offset > n || c.Len > n-c.Offset || theirs != c.Len {
		return nil, fmt.Errorf("cpu: chunk of %d values at %d with a slice of %d, model has %d", c.Len, c.Offset, theirs, n)
	}
	return v.values[c.Offset : c.Offset+c.Len], nil
}
