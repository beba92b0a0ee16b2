package tensor

// This file holds how a model's values are read and written, chunk by chunk.

import (
	"encoding/binary"
	"io"
	"math"
)

// Reader gives out values chunk by chunk, one at a time; a [Viewer] several at the
// same time.
type Reader interface {
	// ReadChunk fills dst, whose length is c.Len, with the values of c.
	ReadChunk(c Chunk, dst []float32) error
}

// Viewer is a Reader whose values lie in memory: it need not copy them.
type Viewer interface {
	// ViewChunk returns the values of c, which stay the Viewer's own, or nil:
	// then they must be read, and reading says what is wrong.
	ViewChunk(c Chunk) []float32
}

// View returns the values of c where r has them if it can, else nil.
func View(r any, c Chunk) []float32 {
	if v, ok := r.(Viewer); ok {
		return v.ViewChunk(c)
	}
	return nil
}

// Writer takes values chunk by chunk.
type Writer interface {
	// WriteChunk stores src, whose length is c.Len, as the values of c.
	WriteChunk(c Chunk, src []float32) error
}

// Flat is a whole model in memory: a slice of length D in layout order.
type Flat []float32

// ReadChunk implements [Reader].
func (f Flat) ReadChunk(c Chunk, dst []float32) error {
	copy(dst[:c.Len], f[c.Offset:c.Offset+c.Len])
	return nil
}

// ViewChunk implements [Viewer].
func (f Flat) ViewChunk(c Chunk) []float32 { return f[c.Offset : c.Offset+c.Len] }

// WriteChunk implements [Writer].
func (f Flat) WriteChunk(c Chunk, src []float32) error {
	copy(f[c.Offset:c.Offset+c.Len], src[:c.Len])
	return nil
}

// Stream writes the values of src to w, chunk after chunk, as float32 little-endian:
// four bytes each.
func Stream(w io.Writer, l Layout, src Reader) error { return Copy(l, To(w), src) }

// To writes chunks to w as [Stream] does, in the order in which they come.
func To(w io.Writer) Writer { return &to{w: w} }

type to struct {
	w   io.Writer
	raw [4 * ChunkLen]byte
}

// WriteChunk implements [Writer].
func (t *to) WriteChunk(_ Chunk, src []float32) error {
	raw := t.raw[:0]
	for _, v := range src {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	_, err := t.w.Write(raw)
	return err
}

// Fill gives dst the values that [Stream] wrote. It reads no byte more.
func Fill(l Layout, dst Writer, r io.Reader) error {
	vals, raw := make([]float32, ChunkLen), make([]byte, 4*ChunkLen)
	for c := range l.Chunks() {
		if _, err := io.ReadFull(r, raw[:4*c.Len]); err != nil {
			return err
		}
		decode(vals[:c.Len], raw)
		if err := dst.WriteChunk(c, vals[:c.Len]); err != nil {
			return err
		}
	}
	return nil
}

func decode(vals []float32, raw []byte) {
	for i := range vals {
		vals[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

// At reads the values that [Stream] wrote, each chunk at its place.
func At(r io.ReaderAt) Reader { return &at{r: r} }

type at struct {
	r   io.ReaderAt
	raw [4 * ChunkLen]byte
}

// ReadChunk implements [Reader].
func (a *at) ReadChunk(c Chunk, dst []float32) error {
	raw := a.raw[:4*c.Len]
	if n, err := a.r.ReadAt(raw, 4*int64(c.Offset)); n < len(raw) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	decode(dst[:c.Len], raw)
	return nil
}

// Copy moves every chunk of l from src to dst.
func Copy(l Layout, dst Writer, src Reader) error {
	buf := make([]float32, ChunkLen)
	for c := range l.Chunks() {
		if err := (tee{src, dst}).ReadChunk(c, buf[:c.Len]); err != nil {
			return err
		}
	}
	return nil
}

// Tee reads src and writes what it read to dst.
func Tee(src Reader, dst Writer) Reader { return tee{src, dst} }

type tee struct {
	src Reader
	dst Writer
}

// ReadChunk implements [Reader].
func (t tee) ReadChunk(c Chunk, vals []float32) error {
	if err := t.src.ReadChunk(c, vals); err != nil {
		return err
	}
	return t.dst.WriteChunk(c, vals)
}
