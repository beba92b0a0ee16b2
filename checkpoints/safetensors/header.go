package safetensors

// This file holds the header: what it may say, and how it is written.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"lode/tensor"
)

// MaxHeader bounds the JSON part in bytes. The largest layout that package
// tensor allows, at 300 bytes a tensor, fits; the format's own bound is 100 MB.
const MaxHeader = 24 << 20

// DType is the type of a tensor's values.
type DType string

// The types that are read and written.
const (
	F32  DType = "F32"  // IEEE 754 binary32
	I64  DType = "I64"  // two's complement
	F16  DType = "F16"  // IEEE 754 binary16; only read
	BF16 DType = "BF16" // the upper half of binary32; only read
)

// size returns the bytes of one value, 0 for an unknown type.
func (t DType) size() int64 {
	switch t {
	case F32:
		return 4
	case I64:
		return 8
	case F16, BF16:
		return 2
	}
	return 0
}

// Entry is one tensor of a file. Begin and End are byte offsets into the data
// part; its length is the type's size times the product of the shape.
type Entry struct {
	Name       string
	DType      DType
	Shape      []int
	Begin, End int64
}

// Header lists the tensors of a file in the order of their data.
type Header struct {
	entries []Entry
	meta    map[string]string
	start   int64 // where the data begins in the file
}

// New returns the header of a file that will hold the tensors in the order
// given; Begin and End are filled in. Names and shapes obey the bounds of
// [tensor.NewLayout].
func New(meta map[string]string, entries ...Entry) (Header, error) {
	h := Header{entries: slices.Clone(entries), meta: maps.Clone(meta)}
	var at int64
	for i := range h.entries {
		e := &h.entries[i]
		n, err := e.numBytes()
		if err != nil {
			return Header{}, err
		}
		e.Shape = slices.Clone(e.Shape)
		e.Begin, e.End = at, at+n
		if at > math.MaxInt64-n {
			return Header{}, errors.New("safetensors: data is too large")
		}
		at += n
	}
	if err := h.check(); err != nil {
		return Header{}, err
	}
	h.start = int64(len(h.Encode()))
	if h.start > MaxHeader {
		return Header{}, fmt.Errorf("safetensors: header of %d bytes, at most %d are allowed", h.start, MaxHeader)
	}
	return h, nil
}

// ForLayout returns the header of a file of float32 tensors in layout order.
func ForLayout(l tensor.Layout, meta map[string]string) (Header, error) {
	entries := make([]Entry, l.NumTensors())
	for t := range entries {
		entries[t] = Entry{Name: l.Spec(t).Name, DType: F32, Shape: l.Spec(t).Shape}
	}
	return New(meta, entries...)
}

// Entries returns the tensors in the order of their data. The slice must not be
// written to.
func (h Header) Entries() []Entry { return h.entries }

// Meta returns the file's own notes. The map must not be written to.
func (h Header) Meta() map[string]string { return h.meta }

// DataStart returns where the data part begins in the file, in bytes.
func (h Header) DataStart() int64 { return h.start }

// Size returns the length of the whole file in bytes.
func (h Header) Size() int64 { return h.start + h.dataLen() }

func (h Header) dataLen() int64 {
	if len(h.entries) == 0 {
		return 0
	}
	return h.entries[len(h.entries)-1].End
}

// Layout returns the tensors as a layout in the order of their data. All must
// be F32.
func (h Header) Layout() (tensor.Layout, error) {
	specs := make([]tensor.Spec, len(h.entries))
	for i, e := range h.entries {
		if e.DType != F32 {
			return tensor.Layout{}, fmt.Errorf("safetensors: tensor %q is %s, want %s", e.Name, e.DType, F32)
		}
		specs[i] = tensor.Spec{Name: e.Name, Shape: e.Shape}
	}
	return tensor.NewLayout(specs...)
}

// numBytes returns the length that type and shape ask for, having checked them.
func (e Entry) numBytes() (int64, error) {
	width := e.DType.size()
	if width == 0 {
		return 0, fmt.Errorf("safetensors: tensor %.80q has type %.20q; F32, F16, BF16 and I64 are supported", e.Name, string(e.DType))
	}
	if !utf8.ValidString(e.Name) || e.Name == metaKey {
		return 0, fmt.Errorf("safetensors: tensor name %.80q is not allowed", e.Name)
	}
	l, err := tensor.NewLayout(tensor.Spec{Name: e.Name, Shape: e.Shape})
	if err != nil {
		return 0, fmt.Errorf("safetensors: %w", err)
	}
	return int64(l.Len()) * width, nil
}

// check demands unique names and data without gap or overlap, in order.
func (h Header) check() error {
	if len(h.entries) > tensor.MaxTensors {
		return fmt.Errorf("safetensors: %d tensors, at most %d are allowed", len(h.entries), tensor.MaxTensors)
	}
	seen := make(map[string]bool, len(h.entries))
	var at int64
	for _, e := range h.entries {
		n, err := e.numBytes()
		if err != nil {
			return err
		}
		switch {
		case seen[e.Name]:
			return fmt.Errorf("safetensors: tensor %q is listed twice", e.Name)
		case e.Begin < at:
			return fmt.Errorf("safetensors: tensor %q overlaps another one", e.Name)
		case e.Begin > at:
			return fmt.Errorf("safetensors: %d bytes before tensor %q belong to none", e.Begin-at, e.Name)
		case e.End-e.Begin != n:
			return fmt.Errorf("safetensors: tensor %q has %d bytes, its shape %v asks for %d", e.Name, e.End-e.Begin, e.Shape, n)
		}
		seen[e.Name] = true
		at = e.End
	}
	for k, v := range h.meta {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return fmt.Errorf("safetensors: note %.80q is not UTF-8", k)
		}
	}
	return nil
}

const metaKey = "__metadata__"

// Encode returns the bytes before the data: length and padded JSON.
func (h Header) Encode() []byte {
	buf := bytes.NewBuffer(make([]byte, 8, 8+128*len(h.entries)))
	buf.WriteByte('{')
	if len(h.meta) > 0 {
		writeJSON(buf, metaKey)
		buf.WriteByte(':')
		writeJSON(buf, h.meta) // encoding/json sorts keys
	}
	byName := slices.SortedFunc(slices.Values(h.entries), func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range byName {
		if buf.Len() > 9 {
			buf.WriteByte(',')
		}
		writeJSON(buf, e.Name)
		buf.WriteByte(':')
		writeJSON(buf, wireEntry{e.DType, e.Shape, [2]int64{e.Begin, e.End}})
	}
	buf.WriteByte('}')
	for buf.Len()%8 != 0 {
		buf.WriteByte(' ')
	}
	b := buf.Bytes()
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b
}

// wireEntry is an entry as the format writes it.
type wireEntry struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

func writeJSON(buf *bytes.Buffer, v any) {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("safetensors: encode header: " + err.Error()) // strings and integers only
	}
	buf.Truncate(buf.Len() - 1) // the encoder's line feed
}
