package cuda

// This file holds the Merkle root of a vector: the card hashes chunks, the host joins them.

import (
	"encoding/binary"
	"fmt"

	"lode/engine/cuda/driver"
	"lode/gradient"
	"lode/tensor"
)

// What of the exchange is for the beginnings of leaves, and for their digests.
const (
	prefixBytes = 1 << 16
	digestBytes = exchangeBytes - prefixBytes
	digestLen   = 32
)

// Root implements engine.Remote.
func (v *vector) Root(l tensor.Layout) (root [32]byte, err error) {
	e := v.e
	if l.Len() != e.layout.Len() {
		return root, fmt.Errorf("cuda: root of %d values, the model has %d: %w", l.Len(), e.layout.Len(), gradient.ErrLayout)
	}
	h := hashing{vector: v}
	err = e.do(func() error {
		e.reading.of = nil
		for t := range l.NumTensors() {
			for first, num := 0, l.NumChunksOf(t); first < num; {
				if len(h.prefixes)+tensor.MaxNameLen+3 > prefixBytes || h.num == digestBytes/digestLen {
					if err := h.flush(); err != nil {
						return err
					}
				}
				n := min(num-first, digestBytes/digestLen-h.num)
				h.add(l, t, first, n)
				first += n
			}
		}
		return h.flush()
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

// flush has the spans hashed and adds them to the tree.
func (h *hashing) flush() error {
	e := h.e
	if err := e.stream.Wait(); err != nil { // what is pinned may be on its way
		return err
	}
	prefixes := e.program.exchange.at(0)
	digests := prefixes.Plus(prefixBytes)
	copy(e.writing.host.Bytes(), h.prefixes)
	e.writing.hi = windowValues // who writes next waits
	if err := e.stream.Upload(prefixes, e.writing.host, int64(len(h.prefixes))); err != nil {
		return err
	}
	done := 0
	for _, s := range h.spans {
		if err := e.blocks("leaves", (s.n+threads-1)/threads, driver.At(digests.Plus(int64(digestLen*done))), driver.At(h.at(s.at)), driver.Long(int64(s.values)),
			driver.At(prefixes.Plus(int64(s.prefix))), driver.Int(s.bytes), driver.Long(int64(s.first))); err != nil {
			return err
		}
		done += s.n
	}
	if err := e.stream.Download(e.reading.host, digests, int64(digestLen*h.num)); err != nil {
		return err
	}
	if err := e.stream.Wait(); err != nil {
		return err
	}
	for i := range h.num {
		h.tree.AddHash([32]byte(e.reading.host.Bytes()[digestLen*i:]))
	}
	h.prefixes, h.spans, h.num = h.prefixes[:0], h.spans[:0], 0
	return nil
}
