package enginetest

// This file holds an engine that is lost at a chosen moment, for tests of those who
// must go on with it.

import (
	"bytes"
	"io"
	"math"

	"lode/engine"
	"lode/tensor"
)

// Fragile loses an engine at its call number At, from 1, and again every Again calls
// after that, if that is not 0; calls of its vectors count. It implements
// engine.Reopener: what comes back holds NaN everywhere and has taken no step.
type Fragile struct {
	engine.Engine
	At, Again int
	Calls     int // so far
	Lost      int // times

	begun   []byte // the optimizer's state before the first step
	lost    bool
	vectors []engine.Vector
}

// NewFragile returns e, which has taken no step yet, as an engine that is lost at
// call at.
func NewFragile(e engine.Engine, at int) (*Fragile, error) {
	var b bytes.Buffer
	err := e.WriteState(&b)
	return &Fragile{Engine: e, At: at, begun: b.Bytes(), vectors: []engine.Vector{e.Params()}}, err
}

// touch counts a call and returns an error if it finds the engine lost.
func (f *Fragile) touch() error {
	if f.Calls++; !f.lost && f.At > 0 && f.Calls >= f.At {
		f.lost = true
		f.Lost++
		if f.At = 0; f.Again > 0 {
			f.At = f.Calls + f.Again
		}
	}
	if f.lost {
		return engine.ErrLost
	}
	return nil
}

// Reopen implements engine.Reopener.
func (f *Fragile) Reopen() error {
	if !f.lost {
		return nil
	}
	var nothing [tensor.ChunkLen]float32
	for i := range nothing {
		nothing[i] = float32(math.NaN())
	}
	for _, v := range f.vectors {
		for c := range f.Layout().Chunks() {
			if err := v.WriteChunk(c, nothing[:c.Len]); err != nil {
				return err
			}
		}
	}
	f.lost = false
	return f.Engine.ReadState(bytes.NewReader(f.begun))
}

// Step implements engine.Engine.
func (f *Fragile) Step(b engine.Batch, h engine.Hyper) (float64, error) {
	if err := f.touch(); err != nil {
		return 0, err
	}
	return f.Engine.Step(b, h)
}

// Loss implements engine.Engine.
func (f *Fragile) Loss(b engine.Batch) (float64, error) {
	if err := f.touch(); err != nil {
		return 0, err
	}
	return f.Engine.Loss(b)
}

// Gradient implements engine.Engine.
func (f *Fragile) Gradient(b engine.Batch) (float64, error) {
	if err := f.touch(); err != nil {
		return 0, err
	}
	return f.Engine.Gradient(b)
}

// WriteState implements engine.Engine.
func (f *Fragile) WriteState(w io.Writer) error {
	if err := f.touch(); err != nil {
		return err
	}
	return f.Engine.WriteState(w)
}

// ReadState implements engine.Engine.
func (f *Fragile) ReadState(r io.Reader) error {
	if err := f.touch(); err != nil {
		return err
	}
	return f.Engine.ReadState(r)
}

// Params implements engine.Engine.
func (f *Fragile) Params() engine.Vector { return brittle{f, f.Engine.Params()} }

// Grad implements engine.Engine.
func (f *Fragile) Grad() tensor.Reader {
	return struct{ tensor.Reader }{brittle{of: f, Vector: readOnly{f.Engine.Grad()}}}
}

// NewVector implements engine.Engine.
func (f *Fragile) NewVector() (engine.Vector, error) {
	if err := f.touch(); err != nil {
		return nil, err
	}
	v, err := f.Engine.NewVector()
	f.vectors = append(f.vectors, v)
	return brittle{f, v}, err
}

// brittle is a vector of a Fragile.
type brittle struct {
	of *Fragile
	engine.Vector
}

// ReadChunk implements tensor.Reader.
func (b brittle) ReadChunk(c tensor.Chunk, dst []float32) error {
	if err := b.of.touch(); err != nil {
		return err
	}
	return b.Vector.ReadChunk(c, dst)
}

// WriteChunk implements tensor.Writer.
func (b brittle) WriteChunk(c tensor.Chunk, src []float32) error {
	if err := b.of.touch(); err != nil {
		return err
	}
	return b.Vector.WriteChunk(c, src)
}

// readOnly is a vector that is never written.
type readOnly struct{ tensor.Reader }

// WriteChunk implements tensor.Writer.
func (readOnly) WriteChunk(tensor.Chunk, []float32) error { panic("enginetest: a gradient is written") }
