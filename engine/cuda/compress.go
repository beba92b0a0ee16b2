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

// exchangeBytes is what of compressed updates and steps is on the card at a time, on their
// way from or to the host, where as much is pinned.
const exchangeBytes = 4 * windowValues

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
	from   int // where in plain the exchange begins
	to     int // where it ends
	bad    uint64
}

// run makes the chunks of all tensors, as many at a time as the exchange holds.
func (c *compression) run(tensors []gradient.Tiles) error {
	bad := c.program.bad
	if err := c.stream.Zero(bad.at(0), bad.bytes); err != nil {
		return err
	}
	for t, tiles := range tensors {
		for first, num := 0, c.layout.NumChunksOf(t); tiles.Step > 0 && first < num; {
			at := tiles.From + first*tiles.Step
			room := (c.from + exchangeBytes - at) / tiles.Step
			if room <= 0 || c.from == 0 {
				if err := c.fetch(at); err != nil {
					return err
				}
				continue
			}
			n := min(room, num-first)
			if err := c.chunks(t, first, n, tiles); err != nil {
				return err
			}
			first += n
			c.to = min(at+n*tiles.Step, tiles.To)
		}
	}
	if err := c.stream.Download(c.numbers, bad.at(0), bad.bytes); err != nil {
		return err
	}
	if err := c.fetch(len(c.plain)); err != nil {
		return err
	}
	c.bad = uint64(uint32(c.numbers.Ints()[0])) | uint64(uint32(c.numbers.Ints()[1]))<<32
	return nil
}

// chunks has n chunks of a tensor put into the exchange.
func (c *compression) chunks(t, first, n int, tiles gradient.Tiles) error {
	from := first * tensor.ChunkLen
	at, len := c.layout.Offset(t)+from, min(c.layout.Spec(t).Len()-from, n*tensor.ChunkLen)
	out := c.program.exchange.at(0).Plus(int64(tiles.From + first*tiles.Step - c.from))
	args := []driver.Arg{driver.At(out), driver.At(c.into.at(at)), driver.Long(int64(len))}
	kernel := "dense8"
	if tiles.K > 0 {
		kernel = "topk"
		args = append(args, driver.Int(tiles.K), driver.Int(c.params.Bits))
	}
	return c.blocks(kernel, n, append(args, driver.Int(int(c.params.EMin)), driver.Int(int(c.params.EMax)), driver.Int(tiles.Step), c.program.bad.arg(), driver.Long(int64(at)))...)
}

// fetch brings what is in the exchange to the host; it then begins at byte next of the
// plain form.
func (c *compression) fetch(next int) error {
	host := c.reading.host
	if err := c.stream.Download(host, c.program.exchange.at(0), int64(c.to-c.from)); err != nil {
		return err
	}
	if err := c.stream.Wait(); err != nil {
		return err
	}
	copy(c.plain[c.from:c.to], host.Bytes())
	c.from, c.to = next, next
	return nil
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
