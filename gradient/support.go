package gradient

// This file holds shared supports: the same few places of every chunk for all
// workers of a round, so that positions need not be sent, masks cancel, and rules
// that compare values place by place have something to compare.

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"lode/tensor"
)

// Support names, for each chunk of a layout, the places that are exchanged in a
// round: of a weight or an embedding k of 4,096, of a vector all, of what is frozen
// none. Vectors on it are those of a smaller layout, which any codec compresses
// and any rule merges. It is immutable and may be shared by goroutines.
type Support struct {
	full, part tensor.Layout
	places     [][]uint16 // of each tensor, chunk after chunk, ascending in each
	kept       []int      // of each tensor, of a full chunk; 0: all
}

// Explore is the share of a support that is drawn anew in each round, as one in so
// many places. The others are where the last step moved most.
const Explore = 4

// NewSupport chooses k of 4,096 places: where last, the merged step of the round
// before, is largest, the lower place first among equals, and at least a quarter of
// them at random by seed; with last nil, all of them.
func NewSupport(l tensor.Layout, k int, last Vector, seed [32]byte) (*Support, error) {
	if k < 1 || k > tensor.ChunkLen {
		return nil, fmt.Errorf("gradient: support of %d places, want 1 to %d: %w", k, tensor.ChunkLen, ErrParams)
	}
	if last != nil && !SameLayout(last.Layout(), l) {
		return nil, fmt.Errorf("gradient: support of a step: %w", ErrLayout)
	}
	s := &Support{full: l, places: make([][]uint16, l.NumTensors()), kept: make([]int, l.NumTensors())}
	draw := rand.New(rand.NewChaCha8(seed))
	specs := make([]tensor.Spec, l.NumTensors())
	for t := range specs {
		specs[t] = l.Spec(t)
		if (Params{}).codecOf(specs[t]) != forWeights {
			continue
		}
		s.kept[t] = k
		for c := range l.ChunksOf(t) {
			s.places[t] = appendPlaces(s.places[t], c, topk{k: k}.kept(c.Len), last, draw)
		}
		specs[t].Shape = []int{len(s.places[t]), 1}
	}
	var err error
	s.part, err = tensor.NewLayout(specs...)
	return s, err
}

// appendPlaces appends k places of chunk c, ascending.
func appendPlaces(dst []uint16, c tensor.Chunk, k int, last Vector, draw *rand.Rand) []uint16 {
	var taken [tensor.ChunkLen]bool
	num := 0
	if last != nil {
		entries, _ := last.Entries(nil, c)
		slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(max(b.Value, -b.Value), max(a.Value, -a.Value)) })
		for _, e := range entries[:min(len(entries), k-(k+Explore-1)/Explore)] {
			taken[e.Pos] = true
			num++
		}
	}
	for num < k {
		if at := draw.IntN(c.Len); !taken[at] {
			taken[at] = true
			num++
		}
	}
	for at := range c.Len {
		if taken[at] {
			dst = append(dst, uint16(at))
		}
	}
	return dst
}

// Layout returns the layout of vectors on the support: the tensors of the full one,
// of which weights and embeddings hold their places in order.
func (s *Support) Layout() tensor.Layout { return s.part }

// of returns the places of a full chunk, all of them if places is nil, and where
// they begin in their tensor on the support.
func (s *Support) of(c tensor.Chunk) (places []uint16, at int) {
	if s.kept[c.Tensor] == 0 {
		return nil, c.Index * tensor.ChunkLen
	}
	code := topk{k: s.kept[c.Tensor]}
	at = c.Index * code.kept(tensor.ChunkLen)
	return s.places[c.Tensor][at : at+code.kept(c.Len)], at
}

// Gather returns what a, a vector of the full layout, holds on the support.
func (s *Support) Gather(a tensor.Reader) (tensor.Flat, error) {
	out := make(tensor.Flat, s.part.Len())
	var buf [tensor.ChunkLen]float32
	for c := range s.full.Chunks() {
		vals := buf[:c.Len]
		if err := a.ReadChunk(c, vals); err != nil {
			return nil, fmt.Errorf("gradient: gather tensor %q chunk %d: %w", s.full.Spec(c.Tensor).Name, c.Index, err)
		}
		places, at := s.of(c)
		dst := out[s.part.Offset(c.Tensor)+at:]
		if places == nil {
			copy(dst, vals)
			continue
		}
		for i, p := range places {
			dst[i] = vals[p]
		}
	}
	return out, nil
}

// Scatter writes on, what a vector holds on the support, to its places in full, of
// the full layout.
func (s *Support) Scatter(full, on tensor.Flat) {
	for c := range s.full.Chunks() {
		places, at := s.of(c)
		src, dst := on[s.part.Offset(c.Tensor)+at:], full[c.Offset:c.Offset+c.Len]
		if places == nil {
			copy(dst, src)
			continue
		}
		for i, p := range places {
			dst[p] = src[i]
		}
	}
}

// Spread returns v, a vector on the support, as one of the full layout.
func (s *Support) Spread(v Vector) (Vector, error) {
	if !SameLayout(v.Layout(), s.part) {
		return nil, fmt.Errorf("gradient: spread: %w", ErrLayout)
	}
	return spread{s, v}, nil
}

// spread is a vector that is zero off its support.
type spread struct {
	*Support
	on Vector
}

// Layout implements [Vector].
func (s spread) Layout() tensor.Layout { return s.full }

// Entries implements [Vector]. Values from chunks of unlike exponents come in units
// of the lower one.
func (s spread) Entries(dst []Entry, c tensor.Chunk) ([]Entry, int) {
	places, at := s.of(c)
	n := c.Len
	if places != nil {
		n = len(places)
	}
	first := len(dst)
	unit := 0
	for part := range s.part.ChunksOf(c.Tensor) {
		begin := part.Index * tensor.ChunkLen
		if begin+part.Len <= at || begin >= at+n {
			continue
		}
		from := len(dst)
		var exp int
		dst, exp = s.on.Entries(dst, part)
		keep := from
		for _, e := range dst[from:] {
			if i := begin + int(e.Pos) - at; i >= 0 && i < n {
				pos := uint16(i)
				if places != nil {
					pos = places[i]
				}
				dst[keep] = Entry{pos, e.Value}
				keep++
			}
		}
		dst = dst[:keep]
		unit = align(dst[first:], from-first, unit, exp)
	}
	return dst, unit
}

// align brings entries, of which those before at are in units of 2^a and the others
// of 2^b, to one unit and returns its exponent.
func align(entries []Entry, at, a, b int) int {
	switch {
	case at == 0 || a == b:
		return b
	case at == len(entries):
		return a
	}
	low := min(a, b)
	for i := range entries {
		if i < at {
			entries[i].Value <<= a - low
		} else {
			entries[i].Value <<= b - low
		}
	}
	return low
}
