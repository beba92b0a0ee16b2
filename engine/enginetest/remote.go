package enginetest

// This file holds an engine whose vectors cannot be looked at: like one on a
// device.

import (
	"sync/atomic"

	"lode/engine"
	"lode/tensor"
)

// remote is an engine without abilities, whose vectors only copy, one chunk at a
// time.
type remote struct{ engine.Engine }

// Params implements engine.Engine.
func (r remote) Params() engine.Vector { return &far{v: r.Engine.Params()} }

// NewVector implements engine.Engine.
func (r remote) NewVector() (engine.Vector, error) {
	v, err := r.Engine.NewVector()
	return &far{v: v}, err
}

// far is a vector that panics where two goroutines use it at once, as a device
// would do worse.
type far struct {
	v    engine.Vector
	busy atomic.Bool
}

func (f *far) alone() (leave func()) {
	if !f.busy.CompareAndSwap(false, true) {
		panic("enginetest: a vector is used by two goroutines at once")
	}
	return func() { f.busy.Store(false) }
}

// ReadChunk implements tensor.Reader.
func (f *far) ReadChunk(c tensor.Chunk, dst []float32) error {
	defer f.alone()()
	return f.v.ReadChunk(c, dst)
}

// WriteChunk implements tensor.Writer.
func (f *far) WriteChunk(c tensor.Chunk, src []float32) error {
	defer f.alone()()
	return f.v.WriteChunk(c, src)
}
