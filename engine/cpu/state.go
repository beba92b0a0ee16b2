package cpu

// This file holds the optimizer's state as bytes.
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

	"lode/engine"
	"lode/tensor"
)

var stateMagic = [8]byte{'l', 'o', 'd', 'e', 'o', 'p', 't', 1}

// WriteState implements engine.Engine.
func (e *Engine) WriteState(w io.Writer) error {
	if e.closed {
		return engine.ErrClosed
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := out.Write(e.stateHeader()); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	steps := binary.LittleEndian.AppendUint64(nil, e.adam.steps)
	if _, err := out.Write(steps); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	for _, m := range [][]float32{e.adam.first, e.adam.second} {
		if err := writeFloats(out, m); err != nil {
			return fmt.Errorf("write state: %w", err)
		}
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// ReadState implements engine.Engine.
func (e *Engine) ReadState(r io.Reader) error {
	if e.closed {
		return engine.ErrClosed
	}
	m, err := e.readState(r)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	e.adam = m
	return nil
}

func (e *Engine) readState(r io.Reader) (moments, error) {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	want := e.stateHeader()
	header := make([]byte, len(want)+8)
	if _, err := io.ReadFull(in, header); err != nil {
		return moments{}, err
	}
	if !bytes.Equal(header[:len(stateMagic)], stateMagic[:]) {
		return moments{}, errors.New("not an optimizer state of format 1")
	}
	if !bytes.Equal(header[:len(want)], want) {
		return moments{}, errors.New("state of another model, or of other tensors of it")
	}
	m := newMoments(e.numTrained())
	m.steps = binary.LittleEndian.Uint64(header[len(want):])
	if err := readFloats(in, m.first, math.Inf(-1)); err != nil {
		return moments{}, fmt.Errorf("first moment: %w", err)
	}
	if err := readFloats(in, m.second, 0); err != nil {
		return moments{}, fmt.Errorf("second moment: %w", err)
	}
	var digest [sha256.Size]byte
	if _, err := io.ReadFull(r, digest[:]); err != nil {
		return moments{}, err
	}
	if !bytes.Equal(digest[:], sum.Sum(nil)) {
		return moments{}, errors.New("digest does not match")
	}
	return m, nil
}

// stateHeader is the magic and the digest of the layout and what of it is frozen.
func (e *Engine) stateHeader() []byte {
	h := sha256.New()
	for t := range e.layout.NumTensors() {
		s := e.layout.Spec(t)
		fmt.Fprintf(h, "%d %s %v", len(s.Name), s.Name, s.Shape)
		if e.frozen[t] {
			h.Write([]byte(" frozen"))
		}
		h.Write([]byte("\n"))
	}
	return h.Sum(append([]byte(nil), stateMagic[:]...))
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
