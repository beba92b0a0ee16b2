package gradient

// This file holds shared supports: the same few places of every chunk for all
// workers of a round, so that positions need not be sent, masks cancel, and rules
// that compare values place by place have something to compare.

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"lode/tensor"
)

// support names the places of a round for each chunk of a layout. It is immutable.
type support struct {
	layout tensor.Layout
	params Params  // without a support
	first  []int   // of each tensor: where its chunks begin
	chunks []given // of all chunks; zero where another codec has them
}

// explore says which share of a support is drawn anew in each round: one in so many
// places. The others are where the last step moved most.
const explore = 4

// On returns p, whose codec is [Shared], with the places of one round: of each
// chunk as many as are kept of it, where last, the merged step of the round before,
// is largest, the lower place first among equals, and at least a quarter of them,
// or where last is nil all, drawn by seed. Updates of one round are made, read and
// merged with what one call returned.
func (p Params) On(l tensor.Layout, last Vector, seed [32]byte) (Params, error) {
	p = p.without()
	f, err := newPlan(l, p)
	if err != nil {
		return p, err
	}
	if p.Codec != Shared {
		return p, fmt.Errorf("gradient: codec %q has no support: %w", p.Codec, ErrParams)
	}
	if last != nil && !SameLayout(last.Layout(), l) {
		return p, fmt.Errorf("gradient: support of a step: %w", ErrLayout)
	}
	s := &support{layout: l, params: p}
	d := drawer{last: last, seed: seed}
	for t := range l.NumTensors() {
		s.first = append(s.first, len(s.chunks))
		for c := range l.ChunksOf(t) {
			var g given
			if all, ok := f.codec(c).(*given); ok {
				g.topk, g.places = all.topk, d.draw(c, all.kept(c.Len))
			}
			s.chunks = append(s.chunks, g)
		}
	}
	p.on = s
	return p, nil
}

// at returns the codec of a chunk.
func (s *support) at(c tensor.Chunk) *given { return &s.chunks[s.first[c.Tensor]+c.Index] }

// name is short, and the same for the same places alone.
func (s *support) name() string {
	h := sha256.New()
	for i := range s.chunks {
		h.Write(fmt.Append(nil, s.chunks[i].places))
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:4])
}

// drawer chooses places.
type drawer struct {
	last    Vector
	seed    [32]byte
	entries []Entry
	keys    []uint32
	taken   [tensor.ChunkLen]bool
}

// draw returns k places of chunk c, ascending.
func (d *drawer) draw(c tensor.Chunk, k int) []uint16 {
	clear(d.taken[:])
	left := k
	if d.last != nil {
		d.entries, _ = d.last.Entries(d.entries[:0], c)
		d.entries, d.keys = largest(d.entries, k-(k+explore-1)/explore, d.keys)
		for _, e := range d.entries {
			d.taken[e.Pos] = true
		}
		left -= len(d.entries)
	}
	d.random(c, left)
	places := make([]uint16, 0, k)
	for at := range c.Len {
		if d.taken[at] {
			places = append(places, uint16(at))
		}
	}
	return places
}

// random takes k of the places that are free: those of the largest numbers, the
// lower place first among equals. The number of a place is the upper 24 bits of what
// SplitMix64 (Steele et al. 2014) draws for it, from a state of its chunk.
func (d *drawer) random(c tensor.Chunk, k int) {
	b := binary.LittleEndian.AppendUint32(d.seed[:], uint32(c.Tensor))
	sum := sha256.Sum256(binary.LittleEndian.AppendUint32(b, uint32(c.Index)))
	state := binary.LittleEndian.Uint64(sum[:])
	d.entries = d.entries[:0]
	for at := range c.Len {
		if !d.taken[at] {
			d.entries = append(d.entries, Entry{uint16(at), int64(splitMix(state, at) >> 40)})
		}
	}
	d.entries, d.keys = largest(d.entries, k, d.keys)
	for _, e := range d.entries {
		d.taken[e.Pos] = true
	}
}

// splitMix returns number i, from 0, that SplitMix64 draws from a state.
func splitMix(state uint64, i int) uint64 {
	z := state + uint64(i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
