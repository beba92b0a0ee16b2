package engine

// This file holds what an AdamW or Muon optimizer remembers, and that as bytes.
//
// Format 1, little-endian: the magic, the digest of the layout's names and shapes
// and of what is frozen, the step count (uint64), both moments (a float32 for each
// value that is trained), and SHA-256 over all of that. One state has one encoding.

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"lode/tensor"
)

var momentsMagic = [8]byte{'l', 'o', 'd', 'e', 'o', 'p', 't', 1}

// Moments is an optimizer's state. Engines that keep no more than this write and read
// it in one format, so that a worker may go on with another of them.
type Moments struct {
	Steps uint64
	// First and Second hold the trained tensors, one after the other. Second is at
	// least 0, and 0 under Muon.
	First, Second []float32
}

// NewMoments returns the state before the first step over l, which says what is
// frozen.
func NewMoments(l tensor.Layout) Moments {
	n := NumTrained(l)
	return Moments{First: make([]float32, n), Second: make([]float32, n)}
}

// NumTrained returns how many of the D values of l are trained.
func NumTrained(l tensor.Layout) (n int) {
	for t := range l.NumTensors() {
		if s := l.Spec(t); s.Kind != tensor.Frozen {
			n += s.Len()
		}
	}
	return n
}

// MomentsLen returns how many bytes the state of an optimizer over l has.
func MomentsLen(l tensor.Layout) int64 {
	return int64(len(momentsMagic)) + 2*sha256.Size + 8 + 8*int64(NumTrained(l))
}

// WriteTo writes the state of an optimizer over l.
func (m Moments) WriteTo(w io.Writer, l tensor.Layout) error {
	return WriteMoments(w, l, m.Steps, func(put func([]float32) error) error {
		if err := put(m.First); err != nil {
			return err
		}
		return put(m.Second)
	})
}

// WriteMoments writes the same of moments that are elsewhere: each gives both to put, the
// first before the second, in pieces of any length.
func WriteMoments(w io.Writer, l tensor.Layout, steps uint64, each func(put func([]float32) error) error) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	head := binary.LittleEndian.AppendUint64(momentsHeader(l), steps)
	if _, err := out.Write(head); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := each(func(x []float32) error { return writeFloats(out, x) }); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// ReadMoments reads the state of an optimizer over l, checks it, and reads no byte
// more.
func ReadMoments(r io.Reader, l tensor.Layout) (Moments, error) {
	m, err := readMoments(r, l)
	if err != nil {
		return Moments{}, fmt.Errorf("read state: %w", err)
	}
	return m, nil
}

func readMoments(r io.Reader, l tensor.Layout) (Moments, error) {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	want := momentsHeader(l)
	header := make([]byte, len(want)+8)
	if _, err := io.ReadFull(in, header); err != nil {
		return Moments{}, err
	}
	if !bytes.Equal(header[:len(momentsMagic)], momentsMagic[:]) {
		return Moments{}, errors.New("not an optimizer state of format 1")
	}
	if !bytes.Equal(header[:len(want)], want) {
		return Moments{}, errors.New("state of another model, or of other tensors of it")
	}
	m := NewMoments(l)
	m.Steps = binary.LittleEndian.Uint64(header[len(want):])
	if err := readFloats(in, m.First, math.Inf(-1)); err != nil {
		return Moments{}, fmt.Errorf("first moment: %w", err)
	}
	if err := readFloats(in, m.Second, 0); err != nil {
		return Moments{}, fmt.Errorf("second moment: %w", err)
	}
	var digest [sha256.Size]byte
	if _, err := io.ReadFull(r, digest[:]); err != nil {
		return Moments{}, err
	}
	if !bytes.Equal(digest[:], sum.Sum(nil)) {
		return Moments{}, errors.New("digest does not match")
	}
	return m, nil
}

// momentsHeader is the magic and the digest of the layout and what of it is frozen.
func momentsHeader(l tensor.Layout) []byte {
	h := sha256.New()
	for t := range l.NumTensors() {
		s := l.Spec(t)
		fmt.Fprintf(h, "%d %s %v", len(s.Name), s.Name, s.Shape)
		if s.Kind == tensor.Frozen {
			h.Write([]byte(" frozen"))
		}
		h.Write([]byte("\n"))
	}
	return h.Sum(append([]byte(nil), momentsMagic[:]...))
}

func writeFloats(w io.Writer, x []float32) error {
	buf := make([]byte, 0, 4*tensor.ChunkLen)
	for len(x) > 0 {
		n := min(len(x), tensor.ChunkLen)
		buf = buf[:0]
		for _, v := range x[:n] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}

// readFloats fills x with finite values of at least least.
func readFloats(r io.Reader, x []float32, least float64) error {
	buf := make([]byte, 4*tensor.ChunkLen)
	for len(x) > 0 {
		n := min(len(x), tensor.ChunkLen)
		if _, err := io.ReadFull(r, buf[:4*n]); err != nil {
			return err
		}
		for i := range n {
			v := math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) || f < least {
				return fmt.Errorf("value %v", v)
			}
			x[i] = v
		}
		x = x[n:]
	}
	return nil
}
