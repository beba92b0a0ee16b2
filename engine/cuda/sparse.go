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

// onCard is a parcel on the card.
type onCard struct {
	heads, vals, places, free driver.Pointer // free begins what the exchange has left
}

func (p *parcel) num() int { return len(p.heads) / headBytes }

func (p *parcel) bytes() int { return len(p.heads) + 4*len(p.vals) + 2*len(p.places) }

// full tells whether another chunk might not fit, with a sum in float64 for each.
func (p *parcel) full() bool {
	return p.bytes()+8*(p.num()+2)+headBytes+4*tensor.ChunkLen > exchangeBytes
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
	h := binary.LittleEndian.AppendUint64(p.heads, uint64(c.Offset))
	for _, v := range []int{len(p.vals), place, num, 0} {
		h = binary.LittleEndian.AppendUint32(h, uint32(int32(v)))
	}
	p.heads = h
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
	if err := e.stream.Wait(); err != nil { // what is pinned may be on its way
		return on, err
	}
	host := e.writing.host
	at := copy(host.Bytes(), p.heads)
	copy(host.From(at).Floats(), p.vals)
	on.heads = e.program.exchange.at(0)
	on.vals = on.heads.Plus(int64(at))
	at += 4 * len(p.vals)
	on.places = on.heads.Plus(int64(at))
	for _, v := range p.places {
		binary.LittleEndian.PutUint16(host.Bytes()[at:], v)
		at += 2
	}
	on.free = on.heads.Plus(int64(at+7) / 8 * 8)
	err = e.stream.Upload(on.heads, host, int64(at))
	e.writing.hi = windowValues // who writes next waits
	p.heads, p.vals, p.places = p.heads[:0], p.vals[:0], p.places[:0]
	return on, err
}

// fits says why nothing can be done with a vector.
func (e *Engine) fits(v gradient.Vector) error {
	if d := v.Layout().Len(); d != e.layout.Len() {
		return fmt.Errorf("cuda: a vector of %d values, the model has %d: %w", d, e.layout.Len(), gradient.ErrLayout)
	}
	return e.ready()
}

// Subtract implements engine.Remote.
func (v *vector) Subtract(u gradient.Vector, clip gradient.Clip) error {
	e := v.e
	if err := e.fits(u); err != nil || clip == 0 {
		return err
	}
	return e.do(func() error {
		e.reading.of = nil
		var p parcel
		var entries []gradient.Entry
		for c := range u.Layout().Chunks() {
			var exp int
			entries, exp = u.Entries(entries[:0], c)
			p.add(c, entries, math.Ldexp(float64(clip)/float64(gradient.Unclipped), exp))
			if p.full() {
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
	return v.e.blocks("subtract", num, driver.At(v.at(0)), driver.At(on.heads), driver.At(on.vals), driver.At(on.places))
}

// Copy implements engine.Remote, between vectors of one engine.
func (v *vector) Copy(from tensor.Reader) error {
	e, src := v.e, v.e.own(from)
	if src == nil {
		return errors.ErrUnsupported
	}
	return e.do(func() error {
		e.reading.of = nil
		if src.at(0) == v.at(0) {
			return nil
		}
		return e.stream.Copy(v.at(0), src.at(0), 4*int64(e.layout.Len()))
	})
}

// Dots implements engine.Dotter.
func (e *Engine) Dots(vs []gradient.Vector) ([]float64, error) {
	d := dots{Engine: e, sums: make([]float64, len(vs))}
	for _, v := range vs {
		if err := e.fits(v); err != nil {
			return nil, err
		}
	}
	if err := e.do(func() error { return d.run(vs) }); err != nil {
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

func (d *dots) run(vs []gradient.Vector) error {
	var entries []gradient.Entry
	for i, v := range vs {
		for c := range v.Layout().Chunks() {
			var exp int
			entries, exp = v.Entries(entries[:0], c)
			if len(entries) == 0 {
				continue
			}
			d.parcel.add(c, entries, math.Ldexp(1, exp))
			d.of = append(d.of, i)
			if d.parcel.full() {
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
	if err := d.each("dots", num, driver.At(on.free), d.program.grads.arg(), driver.At(on.heads), driver.At(on.vals), driver.At(on.places)); err != nil {
		return err
	}
	d.reading.of = nil
	if err := d.stream.Download(d.reading.host, on.free, 8*int64(num)); err != nil {
		return err
	}
	if err := d.stream.Wait(); err != nil {
		return err
	}
	for i, sum := range d.reading.host.Doubles()[:num] {
		d.sums[d.of[i]] += sum
	}
	d.of = d.of[:0]
	return nil
}
