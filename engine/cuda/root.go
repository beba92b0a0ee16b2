package cuda

// This file holds the Merkle root of a vector: the card hashes chunks, the host joins them.

import (
	"encoding/binary"
	"fmt"

	"lode/engine/cuda/driver"
	"lode/gradient"
	"lode/tensor"
)

const digestLen = 32

// Half of the exchange has in its sixteenth part the beginnings of leaves, and in the rest
// their digests.
func (h *half) prefixBytes() int { return h.bytes / 16 }
func (h *half) digests() int     { return (h.bytes - h.prefixBytes()) / digestLen }

// Root implements engine.Remote.
func (v *vector) Root(l tensor.Layout) (root [32]byte, err error) {
	e := v.e
	if l.Len() != e.layout.Len() {
		return root, fmt.Errorf("cuda: root of %d values, the model has %d: %w", l.Len(), e.layout.Len(), gradient.ErrLayout)
	}
	h := hashing{vector: v}
	err = e.do(func() error {
		half := &e.exchange.halves[0]
		for t := range l.NumTensors() {
			for first, num := 0, l.NumChunksOf(t); first < num; {
				if len(h.prefixes)+tensor.MaxNameLen+3 > half.prefixBytes() || h.num == half.digests() {
					if err := h.flush(); err != nil {
						return err
					}
				}
				n := min(num-first, half.digests()-h.num)
				h.add(l, t, first, n)
				first += n
			}
		}
		if err := h.flush(); err != nil {
			return err
		}
		return e.exchange.settle()
	})
	return h.tree.Root(), err
}

// hashing is a root in the making.
type hashing struct {
	*vector
	tree     tensor.Tree
	prefixes []byte // of spans: how all their leaves begin
	spans    []leafSpan
	num      int // leaves
}

// leafSpan are n chunks of one tensor.
type leafSpan struct {
	at, values    int // its values
	first, n      int // its chunks
	prefix, bytes int // where among the prefixes
}

func (h *hashing) add(l tensor.Layout, t, first, n int) {
	name, from := l.Spec(t).Name, first*tensor.ChunkLen
	s := leafSpan{
		at: l.Offset(t) + from, values: min(l.Spec(t).Len()-from, n*tensor.ChunkLen),
		first: first, n: n, prefix: len(h.prefixes), bytes: 3 + len(name),
	}
	h.prefixes = append(binary.LittleEndian.AppendUint16(append(h.prefixes, 0), uint16(len(name))), name...)
	h.spans = append(h.spans, s)
	h.num += n
}

// flush has the spans hashed; their digests join the tree when they are here.
func (h *hashing) flush() error {
	e := h.e
	half, err := e.exchange.turn()
	if err != nil {
		return err
	}
	if err := e.ship(half, copy(half.host.Bytes(), h.prefixes)); err != nil {
		return err
	}
	begin := half.prefixBytes()
	end := begin
	for _, s := range h.spans {
		if err := e.blocks("leaves", (s.n+threads-1)/threads, driver.At(half.card.Plus(int64(end))), driver.At(h.at(s.at)), driver.Long(int64(s.values)),
			driver.At(half.card.Plus(int64(s.prefix))), driver.Int(s.bytes), driver.Long(int64(s.first))); err != nil {
			return err
		}
		end += digestLen * s.n
	}
	h.prefixes, h.spans, h.num = h.prefixes[:0], h.spans[:0], 0
	return e.fetch(half, half.card, end, func() {
		for at := begin; at < end; at += digestLen {
			h.tree.AddHash([32]byte(half.host.Bytes()[at:]))
		}
	})
}
