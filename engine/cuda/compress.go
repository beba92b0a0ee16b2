package cuda

// This file holds how an update is made on the card: only its plain form leaves it.

import (
	"errors"
	"fmt"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/gradient"
	"lode/tensor"
)

var _ engine.Compressor = (*Engine)(nil)

// Compress implements engine.Compressor, for the codec topk and the engine's own vectors.
func (e *Engine) Compress(p gradient.Params, f engine.Feedback) (*gradient.Update, error) {
	var own [3]*vector
	for i, v := range []engine.Vector{f.Into, f.Residual, f.Start} {
		if own[i] = e.own(v); own[i] == nil || p.Codec != gradient.TopK {
			return nil, errors.ErrUnsupported
		}
	}
	plain, tensors, err := gradient.Blank(e.layout, p)
	if err != nil {
		return nil, err
	}
	own[0].edit()
	c := compression{Engine: e, params: p, into: own[0], plain: plain}
	err = e.do(func() error {
		e.reading.of = nil
		if err := e.each("join", e.layout.Len(), driver.At(c.into.at(0)), driver.At(own[1].at(0)), driver.At(own[2].at(0)), driver.At(e.params.at(0)), driver.Float(f.Decay)); err != nil {
			return err
		}
		return c.run(tensors)
	})
	if err != nil {
		return nil, err
	}
	if err := c.notFinite(); err != nil {
		return nil, err
	}
	u, err := gradient.ParsePlain(e.layout, p, plain)
	if err != nil {
		return nil, fmt.Errorf("cuda: the card made an update that is none, take another engine: %w", err)
	}
	return u, nil
}

// own returns v if it is a vector of this engine, else nil.
func (e *Engine) own(v any) *vector {
	if v, ok := v.(*vector); ok && v.e == e {
		return v
	}
	return nil
}

// compression is one update in the making.
type compression struct {
	*Engine
	params gradient.Params
	into   *vector
	plain  []byte
	bad    uint64
}

// run makes the chunks of all tensors, as many at a time as half of the exchange holds; those
// made before are on their way meanwhile.
func (c *compression) run(tensors []gradient.Tiles) error {
	bad := c.program.bad
	if err := c.stream.Zero(bad.at(0), bad.bytes); err != nil {
		return err
	}
	for piece := range pieces(c.layout, tensors, c.exchange.halves[0].bytes, 0) {
		h, err := c.exchange.turn()
		if err != nil {
			return err
		}
		from, to := ends(piece)
		for _, s := range piece {
			if err := c.chunks(h.card.Plus(int64(s.from-from)), s); err != nil {
				return err
			}
		}
		if err := c.fetch(h, h.card, to-from, func() { copy(c.plain[from:to], h.host.Bytes()) }); err != nil {
			return err
		}
	}
	if err := c.stream.Download(c.numbers, bad.at(0), bad.bytes); err != nil {
		return err
	}
	if err := c.exchange.settle(); err != nil {
		return err
	}
	if err := c.stream.Wait(); err != nil {
		return err
	}
	c.bad = uint64(uint32(c.numbers.Ints()[0])) | uint64(uint32(c.numbers.Ints()[1]))<<32
	return nil
}

// chunks has chunks of a tensor made.
func (c *compression) chunks(to driver.Pointer, s stretch) error {
	args := []driver.Arg{driver.At(to), driver.At(c.into.at(s.at)), driver.Long(int64(s.values))}
	kernel := "dense8"
	if s.K > 0 {
		kernel = "topk"
		args = append(args, driver.Int(s.K), driver.Int(c.params.Bits))
	}
	return c.blocks(kernel, s.n, append(args, driver.Int(int(c.params.EMin)), driver.Int(int(c.params.EMax)), driver.Int(s.Step), c.program.bad.arg(), driver.Long(int64(s.at)))...)
}

// notFinite says which value has no place in an update, as the host's encoder does.
func (c *compression) notFinite() error {
	if c.bad == 0 {
		return nil
	}
	at := int(^c.bad)
	var v [1]float32
	if err := c.into.ReadChunk(tensor.Chunk{Offset: at, Len: 1}, v[:]); err != nil {
		return err
	}
	for t := range c.layout.NumTensors() {
		if from := c.layout.Offset(t); at < from+c.layout.Spec(t).Len() {
			return fmt.Errorf("cuda: encode tensor %q value %d is %v: %w", c.layout.Spec(t).Name, at-from, v[0], gradient.ErrNotFinite)
		}
	}
	panic("cuda: a value beyond the layout")
}
