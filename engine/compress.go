package engine

// This file holds how an update is made where the parameters live.

import (
	"errors"

	"lode/gradient"
	"lode/gradient/kernel"
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
// bits that [Compress] finds for any engine. What it cannot do there is
// [errors.ErrUnsupported], before anything has changed.
type Compressor interface {
	Compress(p gradient.Params, f Feedback) (*gradient.Update, error)
}

// Compress sets f.Into to a, with product, difference and sum each rounded to
// float32, and returns a compressed under p. After an error f.Into is undefined.
func Compress(e Engine, p gradient.Params, f Feedback) (*gradient.Update, error) {
	if c, ok := e.(Compressor); ok {
		if u, err := c.Compress(p, f); !errors.Is(err, errors.ErrUnsupported) {
			return u, err
		}
	}
	j := joined{f, e.Params()}
	var buf [tensor.ChunkLen]float32
	for c := range e.Layout().Chunks() { // the encoder leaves these out
		if e.Layout().Spec(c.Tensor).Kind != tensor.Frozen || j.ViewChunk(c) != nil {
			continue
		}
		if err := j.ReadChunk(c, buf[:c.Len]); err != nil {
			return nil, err
		}
	}
	if j.inMemory() {
		return gradient.Encode(e.Layout(), p, j)
	}
	return gradient.Encode(e.Layout(), p, struct{ tensor.Reader }{j}) // one chunk at a time
}

// joined computes a as it is read, and leaves it in Into: the encoder reads each
// chunk once.
type joined struct {
	Feedback
	now Vector // θ
}

// inMemory tells whether all vectors can be used where they lie.
func (j joined) inMemory() bool {
	for _, v := range []Vector{j.Into, j.Residual, j.Start, j.now} {
		if _, ok := v.(tensor.Viewer); !ok {
			return false
		}
	}
	return true
}

// ViewChunk implements tensor.Viewer where all vectors lie in memory.
func (j joined) ViewChunk(c tensor.Chunk) []float32 {
	a, e, start, now := tensor.View(j.Into, c), tensor.View(j.Residual, c), tensor.View(j.Start, c), tensor.View(j.now, c)
	if a == nil || e == nil || start == nil || now == nil {
		return nil
	}
	kernel.Join(a, e, start, now, j.Decay)
	return a
}

// ReadChunk implements tensor.Reader.
func (j joined) ReadChunk(c tensor.Chunk, a []float32) error {
	var start, now [tensor.ChunkLen]float32
	if err := j.Residual.ReadChunk(c, a); err != nil {
		return err
	}
	if err := j.Start.ReadChunk(c, start[:c.Len]); err != nil {
		return err
	}
	if err := j.now.ReadChunk(c, now[:c.Len]); err != nil {
		return err
	}
	kernel.Join(a, a, start[:c.Len], now[:c.Len], j.Decay)
	return j.Into.WriteChunk(c, a)
}
