package cpu

// This file holds vectors: parameters, gradient and what an owner asks for.

import (
	"lode/engine"
	"lode/tensor"
)

// held returns a vector that ends with the engine.
func (e *Engine) held(values []float32) engine.Memory {
	return engine.Memory{Name: "cpu", Values: values, Ready: e.ready}
}

func (e *Engine) ready() error {
	if e.closed {
		return engine.ErrClosed
	}
	return nil
}

// Params implements engine.Engine.
func (e *Engine) Params() engine.Vector { return e.held(e.params) }

// Grad implements engine.Engine.
func (e *Engine) Grad() tensor.Reader {
	return struct{ tensor.Reader }{e.held(e.grads)} // no more than a reader
}

// NewVector implements engine.Engine.
func (e *Engine) NewVector() (engine.Vector, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	return e.held(make([]float32, e.layout.Len())), nil
}
