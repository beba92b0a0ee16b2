package cuda

// This file holds what the card does with updates and steps that come from the host: it
// subtracts them, and multiplies them with the gradient.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"lode/engine"
	"lode/engine/cuda/driver"
	"lode/gradient"
	"lode/tensor"
)

var (
	_ engine.Dotter = (*Engine)(nil)
	_ engine.Remote = (*vector)(nil)
)

// headBytes is the size of a Head of sparse.cu.
const headBytes = 24

// parcel are chunks of vectors on their way to the card.
type parcel struct {
	heads  []byte
	vals   []float32
	places []uint16
}

// onCard is a parcel on the card, in a half of the exchange.
type onCard struct {
	*half
	heads, vals, places driver.Pointer
	free                int // where the half has nothing yet
}

func (p *parcel) num() int { return len(p.heads) / headBytes }

func (p *parcel) bytes() int { return len(p.heads) + 4*len(p.vals) + 2*len(p.places) }

// full tells whether another chunk might not fit into half of the exchange, with a sum in
// float64 for each.
func (e *Engine) full(p *parcel) bool {
	return p.bytes()+sumBytes*(p.num()+2)+headBytes+4*tensor.ChunkLen > e.exchange.halves[0].bytes
}

// add adds the entries of a chunk, each times by, rounded to float64, then to float32: with
// their places, or all values of the chunk if that is shorter.
func (p *parcel) add(c tensor.Chunk, entries []gradient.Entry, by float64) {
	if len(entries) == 0 {
		return
	}
	place, num := len(p.places), len(entries)
	if dense := 6*num >= 4*c.Len; dense {
		place, num = -1, c.Len
	}
	p.heads = headAt(p.heads, c.Offset, len(p.vals), place, num)
	at := len(p.vals)
	if place < 0 {
		p.vals = append(p.vals, make([]float32, num)...)
	}
	for _, e := range entries {
		v := float32(float64(e.Value) * by)
		if place < 0 {
			p.vals[at+int(e.Pos)] = v
			continue
		}
		p.vals, p.places = append(p.vals, v), append(p.places, e.Pos)
	}
}

// send puts a parcel into the exchange and empties it.
func (e *Engine) send(p *parcel) (on onCard, err error) {
	if on.half, err = e.exchange.turn(); err != nil {
		return on, err
	}
	vals, places := len(p.heads), len(p.heads)+4*len(p.vals)
	on.heads, on.vals, on.places = on.card, on.card.Plus(int64(vals)), on.card.Plus(int64(places))
	n := p.layOut(on.host.Bytes())
	on.free = (n + sumBytes - 1) / sumBytes * sumBytes
	return on, e.ship(on.half, n)
}

// layOut writes the parcel to dst, empties it, and returns how long it was.
func (p *parcel) layOut(dst []byte) int {
	at := copy(dst, p.heads)
	for _, v := range p.vals {
		binary.LittleEndian.PutUint32(dst[at:], math.Float32bits(v))
		at += 4
	}
	for _, v := range p.places {
		binary.LittleEndian.PutUint16(dst[at:], v)
		at += 2
	}
	p.heads, p.vals, p.places = p.heads[:0], p.vals[:0], p.places[:0]
	return at
}

// fits says why nothing can be done with a vector.
func (e *Engine) fits(v gradient.Vector) error {
	if l := v.Layout(); !gradient.SameLayout(l, e.layout) { // kernels would read beyond its chunks
		return fmt.Errorf("cuda: a vector of %d values in %d tensors, the model has %d in %d: %w", l.Len(), l.NumTensors(), e.layout.Len(), e.layout.NumTensors(), gradient.ErrLayout)
	}
	return e.ready()
}

// Subtract implements engine.Remote.
func (v *vector) Subtract(u gradient.Vector, clip gradient.Clip) error {
	e := v.e
	if err := e.fits(u); err != nil || clip == 0 {
		return err
	}
	v.edit()
	return e.do(func() error {
		e.reading.of = nil
		if u, tensors := tilesOf(u); tensors != nil {
			return v.subtractPlain(u, tensors, float64(clip)/float64(gradient.Unclipped))
		}
		if u, ok := u.(mapped); ok {
			return v.subtractStep(u, float64(clip)/float64(gradient.Unclipped))
		}
		var p parcel
		var entries []gradient.Entry
		for c := range u.Layout().Chunks() {
			var exp int
			entries, exp = u.Entries(entries[:0], c)
			p.add(c, entries, math.Ldexp(float64(clip)/float64(gradient.Unclipped), exp))
			if e.full(&p) {
				if err := v.subtract(&p); err != nil {
					return err
				}
			}
		}
		return v.subtract(&p)
	})
}

func (v *vector) subtract(p *parcel) error {
	num := p.num()
	if num == 0 {
		return nil
	}
	on, err := v.e.send(p)
	if err != nil {
		return err
	}
	if err := v.e.blocks("subtract", num, driver.At(v.at(0)), driver.At(on.heads), driver.At(on.vals), driver.At(on.places)); err != nil {
		return err
	}
	return v.e.leave(on.half)
}

// Copy implements engine.Remote, between vectors of one engine.
func (v *vector) Copy(from tensor.Reader) error {
	e, src := v.e, v.e.own(from)
	if src == nil {
		return errors.ErrUnsupported
	}
	v.edit()
	return e.do(func() error {
		e.reading.of = nil
		if src.at(0) == v.at(0) {
			return nil
		}
		return e.stream.Copy(v.at(0), src.at(0), 4*int64(e.layout.Len()))
	})
}

// Pull implements engine.Remote, between vectors of one engine.
func (v *vector) Pull(to tensor.Reader, share float32) error {
	e, start := v.e, v.e.own(to)
	if start == nil {
		return errors.ErrUnsupported
	}
	v.edit()
	return e.do(func() error {
		e.reading.of = nil
		return e.each("pull", e.layout.Len(), driver.At(v.at(0)), driver.At(start.at(0)), driver.Float(share))
	})
}

// Dots implements engine.Dotter.
func (e *Engine) Dots(vs []gradient.Vector) ([]float64, error) {
	for _, v := range vs {
		if err := e.fits(v); err != nil {
			return nil, err
		}
	}
	d := dots{Engine: e, sums: make([]float64, len(vs))}
	groups, others := sorted(vs, d.sums)
	if err := e.do(func() error {
		for _, g := range groups {
			if err := e.dotsPlain(g); err != nil {
				return err
			}
		}
		return d.run(vs, others)
	}); err != nil {
		return nil, err
	}
	for i, v := range vs {
		if finite(d.sums[i]) {
			continue
		}
		var err error
		if d.sums[i], err = gradient.Dot(v, e.grads); err != nil { // which says where
			return nil, err
		}
	}
	return d.sums, nil
}

// dots are products in the making.
type dots struct {
	*Engine
	parcel parcel
	of     []int // of which vector each chunk of the parcel is
	sums   []float64
}

// run multiplies those of the vectors that are named.
func (d *dots) run(vs []gradient.Vector, of []int) error {
	var entries []gradient.Entry
	for _, i := range of {
		v := vs[i]
		for c := range v.Layout().Chunks() {
			var exp int
			entries, exp = v.Entries(entries[:0], c)
			if len(entries) == 0 {
				continue
			}
			d.parcel.add(c, entries, math.Ldexp(1, exp))
			d.of = append(d.of, i)
			if d.full(&d.parcel) {
				if err := d.multiply(); err != nil {
					return err
				}
			}
		}
	}
	return d.multiply()
}

// multiply has the card multiply the parcel, and adds up the chunks of each vector in
// their order.
func (d *dots) multiply() error {
	num := len(d.of)
	if num == 0 {
		return nil
	}
	on, err := d.send(&d.parcel)
	if err != nil {
		return err
	}
	sums, host := on.card.Plus(int64(on.free)), on.host.From(on.free)
	if err := d.each("dots", num, driver.At(sums), d.program.grads.arg(), driver.At(on.heads), driver.At(on.vals), driver.At(on.places)); err != nil {
		return err
	}
	if err := d.leave(on.half); err != nil {
		return err
	}
	if err := d.stream.Download(host, sums, sumBytes*int64(num)); err != nil {
		return err
	}
	if err := d.stream.Wait(); err != nil {
		return err
	}
	for i, sum := range host.Doubles()[:num] {
		d.sums[d.of[i]] += sum
	}
	d.of = d.of[:0]
	return nil
}
