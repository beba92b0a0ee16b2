package engine

// This file holds how an update is made where the parameters live.

import (
	"lode/gradient"
	"lode/tensor"
)

// Feedback says how the change of the parameters is joined with what earlier
// updates left out: a = β·e + (θ_r − θ), θ being the engine's parameters. Its
// vectors are the engine's own.
type Feedback struct {
	Decay    float32 // β
	Residual Vector  // e
	Start    Vector  // θ_r
	Into     Vector  // becomes a; may be Residual or Start
}

// Compressor is an engine that compresses an update where it lives, with the
// bits that [Compress] finds for any engine.
type Compressor interface {
	Compress(p gradient.Params, f Feedback) (*gradient.Update, error)
}

// Compress sets f.Into to a, with product, difference and sum each rounded to
// float32, and returns a compressed under p. After an error f.Into is undefined.
func Compress(e Engine, p gradient.Params, f Feedback) (*gradient.Update, error) {
	if c, ok := e.(Compressor); ok {
		return c.Compress(p, f)
	}
	var a, start, now [tensor.ChunkLen]float32
	params := e.Params()
	for c := range e.Layout().Chunks() {
		a, start, now := a[:c.Len], start[:c.Len], now[:c.Len]
		if err := f.Residual.ReadChunk(c, a); err != nil {
			return nil, err
		}
		if err := f.Start.ReadChunk(c, start); err != nil {
			return nil, err
		}
		if err := params.ReadChunk(c, now); err != nil {
			return nil, err
		}
		for i, v := range now {
			a[i] = float32(f.Decay*a[i]) + (start[i] - v)
		}
		if err := f.Into.WriteChunk(c, a); err != nil {
			return nil, err
		}
	}
	return gradient.Encode(e.Layout(), p, f.Into)
}
