package tensor

// This file holds the layout: the ordered list of tensors of a model.

import (
	"fmt"
	"iter"
	"math"
	"slices"
)

// ChunkLen is the number of values in a full chunk. It is part of the update
// format and of the state root and may never change.
const ChunkLen = 4096

// Bounds on what a layout may describe. They keep every size computed from a
// layout inside an int64 and every list short enough to allocate.
const (
	MaxTensors = 1 << 16
	MaxDims    = 8
	MaxNameLen = 256
	MaxValues  = 1 << 40 // D of one layout
)

// Kind says what a tensor is to those who compress its changes.
type Kind uint8

// Kinds of tensors.
const (
	Weight    Kind = iota // a matrix, or a vector such as a norm or a bias
	Embedding             // one row for each word: only rows in use change
	Frozen                // not trained: no update names it and no step moves it
)

// Spec describes one tensor: its name, as checkpoints use it, its shape,
// row-major, outermost dimension first, and its kind.
type Spec struct {
	Name  string
	Shape []int
	Kind  Kind
}

// Len returns the number of values of the tensor.
func (s Spec) Len() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// Layout is the ordered list of tensors that makes up a model's D parameters.
// The zero Layout has no tensors. A Layout is immutable.
type Layout struct {
	specs   []Spec
	offsets []int // len(specs)+1, ascending; offsets[len(specs)] = D
}

// NewLayout checks the specs and returns their layout. Names must be unique and
// not empty, dimensions positive, and the total number of values at most
// [MaxValues].
func NewLayout(specs ...Spec) (Layout, error) {
	if len(specs) > MaxTensors {
		return Layout{}, fmt.Errorf("layout: %d tensors, at most %d are allowed", len(specs), MaxTensors)
	}
	l := Layout{specs: make([]Spec, len(specs)), offsets: make([]int, 1, len(specs)+1)}
	seen := make(map[string]bool, len(specs))
	total := 0
	for i, s := range specs {
		n, err := checkSpec(s)
		if err != nil {
			return Layout{}, err
		}
		if seen[s.Name] {
			return Layout{}, fmt.Errorf("layout: tensor %q is listed twice", s.Name)
		}
		seen[s.Name] = true
		if total += n; total > MaxValues {
			return Layout{}, fmt.Errorf("layout: more than %d values", int64(MaxValues))
		}
		l.specs[i] = Spec{Name: s.Name, Shape: append([]int(nil), s.Shape...), Kind: s.Kind}
		l.offsets = append(l.offsets, total)
	}
	return l, nil
}

func checkSpec(s Spec) (int, error) {
	if s.Name == "" || len(s.Name) > MaxNameLen {
		return 0, fmt.Errorf("layout: tensor name %.20q must have 1 to %d bytes", s.Name, MaxNameLen)
	}
	if len(s.Shape) == 0 || len(s.Shape) > MaxDims {
		return 0, fmt.Errorf("layout: tensor %q has %d dimensions, want 1 to %d", s.Name, len(s.Shape), MaxDims)
	}
	if s.Kind > Frozen {
		return 0, fmt.Errorf("layout: tensor %q is of kind %d, there is none", s.Name, s.Kind)
	}
	n := 1
	for _, d := range s.Shape {
		if d <= 0 || d > math.MaxInt32 || n > MaxValues/d {
			return 0, fmt.Errorf("layout: tensor %q has shape %v, out of range", s.Name, s.Shape)
		}
		n *= d
	}
	return n, nil
}

// Freeze returns the layout with those tensors frozen of which frozen says so.
// It has one word for each tensor, or is nil.
func (l Layout) Freeze(frozen []bool) Layout {
	if len(frozen) != 0 && len(frozen) != len(l.specs) {
		panic("tensor: told of another number of tensors whether they are frozen")
	}
	specs := slices.Clone(l.specs)
	for t, f := range frozen {
		if f {
			specs[t].Kind = Frozen
		}
	}
	return Layout{specs, l.offsets}
}

// Len returns D, the number of values in all tensors.
func (l Layout) Len() int {
	if len(l.offsets) == 0 {
		return 0
	}
	return l.offsets[len(l.offsets)-1]
}

// NumTensors returns the number of tensors.
func (l Layout) NumTensors() int { return len(l.specs) }

// Spec returns tensor t. Its Shape must not be written to.
func (l Layout) Spec(t int) Spec { return l.specs[t] }

// Offset returns where tensor t begins in the flat order of all D values.
func (l Layout) Offset(t int) int { return l.offsets[t] }

// Chunk is a run of consecutive values inside one tensor.
type Chunk struct {
	Tensor int // index into the layout
	Index  int // number of the chunk inside its tensor, from 0
	Offset int // first value, in the flat order of all D values
	Len    int // 1 … ChunkLen values
}

// NumChunksOf returns how many chunks tensor t has.
func (l Layout) NumChunksOf(t int) int {
	return (l.offsets[t+1] - l.offsets[t] + ChunkLen - 1) / ChunkLen
}

// NumChunks returns how many chunks the whole layout has.
func (l Layout) NumChunks() int {
	n := 0
	for t := range l.specs {
		n += l.NumChunksOf(t)
	}
	return n
}

// ChunksOf yields the chunks of tensor t in order.
func (l Layout) ChunksOf(t int) iter.Seq[Chunk] {
	first := l.chunkAt(t, 0)
	return l.Span(first, l.chunkAt(t, l.NumChunksOf(t)-1))
}

// Chunks yields every chunk of every tensor, in order.
func (l Layout) Chunks() iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		for t := range l.specs {
			for i := range l.NumChunksOf(t) {
				if !yield(l.chunkAt(t, i)) {
					return
				}
			}
		}
	}
}

// Span yields the chunks from first to last, in order, across tensors.
func (l Layout) Span(first, last Chunk) iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		for c := first; yield(c) && c.Offset < last.Offset; {
			if end := c.Offset + c.Len; end < l.offsets[c.Tensor+1] {
				c = l.chunkAt(c.Tensor, c.Index+1)
			} else {
				c = l.chunkAt(c.Tensor+1, 0)
			}
		}
	}
}

// chunkAt returns the chunk at index i of tensor t.
func (l Layout) chunkAt(t, i int) Chunk {
	at := l.offsets[t] + i*ChunkLen
	return Chunk{Tensor: t, Index: i, Offset: at, Len: min(ChunkLen, l.offsets[t+1]-at)}
}
