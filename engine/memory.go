package engine

// This file holds a vector of engines whose values lie in memory.

import (
	"fmt"

	"lode/tensor"
)

// Memory is a [Vector] in memory.
type Memory struct {
	Name   string // of the package whose vector it is, for errors
	Values []float32
	Ready  func() error // before values are read or written; its error is returned
	Wrote  func()       // after values were written; nil: nobody asks
}

// ReadChunk implements tensor.Reader.
func (m Memory) ReadChunk(c tensor.Chunk, dst []float32) error {
	ours, err := m.chunk(c, len(dst))
	copy(dst, ours)
	return err
}

// ViewChunk implements tensor.Viewer.
func (m Memory) ViewChunk(c tensor.Chunk) []float32 {
	ours, err := m.chunk(c, c.Len)
	if err != nil {
		return nil
	}
	return ours
}

// WriteChunk implements tensor.Writer.
func (m Memory) WriteChunk(c tensor.Chunk, src []float32) error {
	ours, err := m.chunk(c, len(src))
	if err != nil {
		return err
	}
	copy(ours, src)
	if m.Wrote != nil {
		m.Wrote()
	}
	return nil
}

// chunk returns the values of c, to be copied from or to a caller's slice of so many.
func (m Memory) chunk(c tensor.Chunk, theirs int) ([]float32, error) {
	if err := m.Ready(); err != nil {
		return nil, err
	}
	n := len(m.Values)
	if c.Len < 0 || c.Offset < 0 || c.Offset > n || c.Len > n-c.Offset || theirs != c.Len {
		return nil, fmt.Errorf("%s: chunk of %d values at %d with a slice of %d, model has %d", m.Name, c.Len, c.Offset, theirs, n)
	}
	return m.Values[c.Offset : c.Offset+c.Len], nil
}
