package safetensors

// This file holds the values: streaming a model out, and reading it at any chunk.

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"lode/tensor"
)

// Write writes a whole file of h's tensors, which must be those of l in order,
// reading each chunk of src once. It holds one chunk in memory.
func Write(w io.Writer, h Header, l tensor.Layout, src tensor.Reader) error {
	if err := sameTensors(h, l); err != nil {
		return err
	}
	if _, err := w.Write(h.Encode()); err != nil {
		return fmt.Errorf("safetensors: write header: %w", err)
	}
	vals := make([]float32, tensor.ChunkLen)
	raw := make([]byte, 0, 4*tensor.ChunkLen)
	for c := range l.Chunks() {
		if err := src.ReadChunk(c, vals[:c.Len]); err != nil {
			return fmt.Errorf("safetensors: read tensor %q: %w", l.Spec(c.Tensor).Name, err)
		}
		raw = raw[:0]
		for _, v := range vals[:c.Len] {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		if _, err := w.Write(raw); err != nil {
			return fmt.Errorf("safetensors: write tensor %q: %w", l.Spec(c.Tensor).Name, err)
		}
	}
	return nil
}

// sameTensors demands that h lists exactly l's tensors, as F32, in l's order.
func sameTensors(h Header, l tensor.Layout) error {
	if len(h.entries) != l.NumTensors() {
		return fmt.Errorf("safetensors: file has %d tensors, the layout %d", len(h.entries), l.NumTensors())
	}
	for t, e := range h.entries {
		if s := l.Spec(t); e.Name != s.Name || e.DType != F32 || !slices.Equal(e.Shape, s.Shape) {
			return fmt.Errorf("safetensors: file has tensor %q %s %v where the layout has %q %s %v",
				e.Name, e.DType, e.Shape, s.Name, F32, s.Shape)
		}
	}
	return nil
}

// readAt fills b. A reader may say io.EOF beside the last byte, or beside fewer.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if n, err := r.ReadAt(b, offset); n < len(b) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// EncodeInts appends the bytes of I64 values.
func EncodeInts(dst []byte, vals []int64) []byte {
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst
}

// DecodeInts fills dst from raw, which has 8 bytes for each.
func DecodeInts(dst []int64, raw []byte) {
	if len(raw) != 8*len(dst) {
		panic("safetensors: DecodeInts with lengths that differ")
	}
	for i := range dst {
		dst[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
	}
}
