package cuda

// This file holds vectors: parameters, gradient and what an owner asks for. They stay on the
// card; chunks go through pinned memory, many at a time.

import (
	"fmt"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/tensor"
)

// windowValues is how many values go through pinned memory at a time.
const windowValues = 1 << 18

// window is pinned memory in which values of one vector lie as they are on the card.
type window struct {
	host   driver.Host
	of     *vector // nil: nobody's
	lo, hi int     // which values
}

// vector is D values on the card. Its memory is its own or, of parameters and gradient, the
// program's.
type vector struct {
	e      *Engine
	memory arena
	place  *buffer // nil: all of memory
}

func (v *vector) at(i int) driver.Pointer {
	if v.place != nil {
		return v.place.at(i)
	}
	return v.memory.base.Plus(4 * int64(i))
}

// Params implements engine.Engine.
func (e *Engine) Params() engine.Vector { return e.params }

// Grad implements engine.Engine.
func (e *Engine) Grad() tensor.Reader { return struct{ tensor.Reader }{e.grads} } // no more than a reader

// NewVector implements engine.Engine.
func (e *Engine) NewVector() (engine.Vector, error) {
	v := &vector{e: e, memory: arena{bytes: 4 * int64(e.layout.Len())}}
	err := e.do(func() error {
		if err := e.mayTake("a vector", v.memory.bytes); err != nil {
			return err
		}
		if err := v.memory.allocate(e.device); err != nil {
			return err
		}
		if err := e.stream.Zero(v.memory.base, v.memory.bytes); err != nil {
			return err
		}
		e.vectors = append(e.vectors, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// mayTake refuses what would take more of the card than may be taken.
func (e *Engine) mayTake(what string, bytes int64) error {
	if most := e.plan.Limit; most > 0 && e.used()+bytes > most {
		return &driver.Error{
			Kind: driver.ErrMemory, What: fmt.Sprintf("%s of %d bytes beside %d of %d", what, bytes, e.used(), most),
			Advice: "give more with --card-memory, or train on a larger card",
		}
	}
	return nil
}

// used returns the bytes of the card that are held now.
func (e *Engine) used() int64 {
	n := e.program.memory.bytes
	if e.program.recall.memory.base != 0 {
		n += e.program.recall.memory.bytes
	}
	if e.muon.memory.base != 0 {
		n += e.muon.memory.bytes
	}
	for _, v := range e.vectors {
		n += v.memory.bytes
	}
	return n
}

// check refuses chunks that are not of the model.
func (v *vector) check(c tensor.Chunk, theirs int) error {
	if err := v.e.ready(); err != nil {
		return err
	}
	n := v.e.layout.Len()
	if c.Len < 0 || c.Offset < 0 || c.Offset > n || c.Len > n-c.Offset || theirs != c.Len {
		return fmt.Errorf("cuda: chunk of %d values at %d with a slice of %d, model has %d", c.Len, c.Offset, theirs, n)
	}
	return nil
}

// ReadChunk implements tensor.Reader. It fetches what comes after the chunk as well: most
// readers go on.
func (v *vector) ReadChunk(c tensor.Chunk, dst []float32) error {
	if err := v.check(c, len(dst)); err != nil {
		return err
	}
	w := &v.e.reading
	for lo, hi := c.Offset, c.Offset+c.Len; lo < hi; {
		if w.of != v || lo < w.lo || lo >= w.hi {
			if err := v.fetch(lo); err != nil {
				return err
			}
		}
		n := copy(dst, w.host.Floats()[lo-w.lo:min(hi, w.hi)-w.lo])
		lo, dst = lo+n, dst[n:]
	}
	return nil
}

// fetch fills the window from value lo on.
func (v *vector) fetch(lo int) error {
	e, w := v.e, &v.e.reading
	w.of = nil
	n := min(windowValues, e.layout.Len()-lo)
	if err := e.do(func() error {
		if err := e.stream.Download(w.host, v.at(lo), 4*int64(n)); err != nil {
			return err
		}
		return e.stream.Wait()
	}); err != nil {
		return err
	}
	w.of, w.lo, w.hi = v, lo, lo+n
	return nil
}

// WriteChunk implements tensor.Writer. It does not wait until the values have arrived.
func (v *vector) WriteChunk(c tensor.Chunk, src []float32) error {
	if err := v.check(c, len(src)); err != nil || len(src) == 0 {
		return err
	}
	v.edit()
	return v.e.do(func() error { return v.e.upload(v.at(c.Offset), src) })
}

// edit notes that v will be changed by its owner, and not by a step.
func (v *vector) edit() {
	if v == v.e.params {
		v.e.edited, v.e.stale = true, true
	}
}

// upload puts values on the card, by way of pinned memory that is written like a ring.
func (e *Engine) upload(to driver.Pointer, src []float32) error {
	e.reading.of = nil
	for len(src) > 0 {
		if e.writing.hi == windowValues {
			if err := e.stream.Wait(); err != nil {
				return err
			}
			e.writing.hi = 0
		}
		n := copy(e.writing.host.Floats()[e.writing.hi:windowValues], src)
		if err := e.stream.Upload(to, e.writing.host.From(4*e.writing.hi), 4*int64(n)); err != nil {
			return err
		}
		e.writing.hi += n
		to, src = to.Plus(int64(4*n)), src[n:]
	}
	return nil
}

// download brings values from the card.
func (e *Engine) download(dst []float32, from driver.Pointer) error {
	e.reading.of = nil
	for len(dst) > 0 {
		n := min(len(dst), windowValues)
		if err := e.stream.Download(e.reading.host, from, 4*int64(n)); err != nil {
			return err
		}
		if err := e.stream.Wait(); err != nil {
			return err
		}
		copy(dst[:n], e.reading.host.Floats())
		from, dst = from.Plus(int64(4*n)), dst[n:]
	}
	return nil
}
