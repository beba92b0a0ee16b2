package safetensors

// This file holds the strict reader of headers. It walks the JSON token by
// token, because encoding/json keeps the last of two equal keys in silence.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"lode/tensor"
)

// Parse reads and checks the header of a file of the given size in bytes.
func Parse(r io.ReaderAt, size int64) (Header, error) {
	var length [8]byte
	if size < 8 {
		return Header{}, fmt.Errorf("safetensors: file of %d bytes is too short for a header", size)
	}
	if err := readAt(r, length[:], 0); err != nil {
		return Header{}, fmt.Errorf("safetensors: read header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > MaxHeader || int64(n) > size-8 {
		return Header{}, fmt.Errorf("safetensors: header claims %d bytes; the file has %d and at most %d are allowed", n, size, MaxHeader)
	}
	text := make([]byte, n)
	if err := readAt(r, text, 8); err != nil {
		return Header{}, fmt.Errorf("safetensors: read header: %w", err)
	}
	h, err := parseJSON(text)
	if err != nil {
		return Header{}, err
	}
	h.start = int64(n) + 8
	if h.Size() != size {
		return Header{}, fmt.Errorf("safetensors: file has %d bytes, its header describes %d", size, h.Size())
	}
	return h, nil
}

func parseJSON(text []byte) (Header, error) {
	if len(text) == 0 || text[0] != '{' || !utf8.Valid(text) {
		return Header{}, errors.New("safetensors: header is not a JSON object in UTF-8")
	}
	p := parser{json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	var h Header
	seen := map[string]bool{}
	err := p.object(seen, func(key string) (err error) {
		if key == metaKey {
			h.meta, err = p.meta()
			return err
		}
		if len(h.entries) == tensor.MaxTensors {
			return fmt.Errorf("more than %d tensors", tensor.MaxTensors)
		}
		e, err := p.entry(key)
		h.entries = append(h.entries, e)
		return err
	})
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return Header{}, fmt.Errorf("safetensors: header: %w", err)
	}
	slices.SortStableFunc(h.entries, func(a, b Entry) int {
		if a.Begin != b.Begin {
			return int(min(1, max(-1, a.Begin-b.Begin)))
		}
		return int(min(1, max(-1, a.End-b.End)))
	})
	return h, h.check()
}

// parser reads JSON values of expected shapes.
type parser struct{ dec *json.Decoder }

// object reads an object, calling value after each key; seen refuses repeats.
func (p parser) object(seen map[string]bool, value func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return fmt.Errorf("found %v where a key belongs", tok)
		}
		if seen[key] {
			return fmt.Errorf("key %.80q appears twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p parser) meta() (map[string]string, error) {
	meta := map[string]string{}
	err := p.object(map[string]bool{}, func(key string) (err error) {
		meta[key], err = p.text()
		return err
	})
	return meta, err
}

func (p parser) entry(name string) (Entry, error) {
	e := Entry{Name: name}
	seen := make(map[string]bool, 3)
	err := p.object(seen, func(key string) error {
		switch key {
		case "dtype":
			text, err := p.text()
			e.DType = DType(text)
			return err
		case "shape":
			dims, err := p.integers(tensor.MaxDims)
			e.Shape = make([]int, len(dims))
			for i, d := range dims {
				e.Shape[i] = int(d)
			}
			return err
		case "data_offsets":
			at, err := p.integers(2)
			if err == nil && len(at) != 2 {
				err = errors.New("data_offsets must be two integers")
			}
			if err == nil {
				e.Begin, e.End = at[0], at[1]
			}
			return err
		}
		return fmt.Errorf("unknown field %.80q", key)
	})
	if err == nil && len(seen) != 3 {
		err = errors.New("dtype, shape and data_offsets must all be there")
	}
	if err != nil {
		return e, fmt.Errorf("tensor %.80q: %w", name, err)
	}
	return e, nil
}

func (p parser) text() (string, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("found %v where a text belongs", tok)
	}
	return s, nil
}

// maxInteger keeps every sum of two integers read from a header in an int64.
const maxInteger = 1 << 62

// integers reads an array of at most limit integers from 0 to maxInteger.
func (p parser) integers(limit int) ([]int64, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	var list []int64
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("found %v where an integer belongs", tok)
		}
		v, err := num.Int64()
		if err != nil || v < 0 || v > maxInteger || num.String() == "-0" {
			return nil, fmt.Errorf("number %.40s is not an integer in range", num)
		}
		if len(list) == limit {
			return nil, fmt.Errorf("more than %d numbers in a list", limit)
		}
		list = append(list, v)
	}
	return list, p.delim(']')
}

func (p parser) delim(want json.Delim) error {
	tok, err := p.dec.Token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("found %v where %v belongs", tok, want)
	}
	return nil
}

// end demands that nothing but the padding follows.
func (p parser) end() error {
	if tok, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("found %v after the end", tok)
	}
	return nil
}
