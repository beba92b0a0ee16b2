package engine

// This file holds vectors that are worked on where they live.

import (
	"errors"
	"fmt"
	"math"

	"lode/gradient"
	"lode/tensor"
)

// Remote is a Vector on a device that changes and is hashed there, with the bits that
// [Subtract], [Copy], [Held] and [Root] find for any vector. What it cannot do there is
// [errors.ErrUnsupported], before anything has changed.
type Remote interface {
	Subtract(v gradient.Vector, clip gradient.Clip) error
	Copy(from tensor.Reader) error
	Pull(to tensor.Reader, share float32) error
	Root(l tensor.Layout) ([32]byte, error)
}

// Subtract takes v, multiplied by clip, off the values of x: each product is rounded to
// float64, then to float32, and each difference to float32. So a merged step is applied,
// and an update taken out of what it was made from: what it left out stays, for the next
// round. After an error x is undefined.
func Subtract(l tensor.Layout, x Vector, v gradient.Vector, clip gradient.Clip) error {
	if r, ok := x.(Remote); ok {
		if err := r.Subtract(v, clip); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	var vals [tensor.ChunkLen]float32
	var entries []gradient.Entry
	for c := range l.Chunks() {
		var exp int
		if entries, exp = v.Entries(entries[:0], c); len(entries) == 0 || clip == 0 {
			continue
		}
		if err := x.ReadChunk(c, vals[:c.Len]); err != nil {
			return fmt.Errorf("subtract: %w", err)
		}
		by := math.Ldexp(float64(clip)/float64(gradient.Unclipped), exp)
		for _, e := range entries {
			vals[e.Pos] -= float32(float64(e.Value) * by)
		}
		if err := x.WriteChunk(c, vals[:c.Len]); err != nil {
			return fmt.Errorf("subtract: %w", err)
		}
	}
	return nil
}

// Copy gives x the values of from. After an error x is undefined.
func Copy(l tensor.Layout, x Vector, from tensor.Reader) error {
	if r, ok := x.(Remote); ok {
		if err := r.Copy(from); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return tensor.Copy(l, x, from)
}

// Root is [tensor.Root] of x.
func Root(l tensor.Layout, x Vector) ([32]byte, error) {
	if r, ok := x.(Remote); ok {
		if root, err := r.Root(l); !errors.Is(err, errors.ErrUnsupported) {
			return root, err
		}
	}
	return tensor.Root(l, x)
}
