package documents

// This file holds reading text: a whole file, or a document in memory.

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"lode/data"
)

var errBinary = errors.New("is no text: it has a NUL in its first 8 KiB")

// readText reads a file as one document.
func readText(in io.Reader, emit func(Part) error) error {
	buf := make([]byte, 0, MaxPart)
	first := true
	for {
		var err error
		for len(buf) < MaxPart && err == nil { // io.ReadFull would hide that a packed file is cut
			var n int
			n, err = in.Read(buf[len(buf):MaxPart])
			buf = buf[:len(buf)+n]
		}
		end := errors.Is(err, io.EOF)
		if first && data.IsBinary(buf) {
			return errBinary
		}
		if len(buf) > 0 {
			m := len(buf)
			if m == MaxPart && !end {
				m = cut(buf)
			}
			if err := emit(Part{bytes.Clone(buf[:m]), first}); err != nil {
				return err
			}
			buf = append(buf[:0], buf[m:]...)
			first = false
		}
		if end {
			err = nil
		}
		if end || err != nil {
			return err
		}
	}
}

// emitDocument hands out a document in parts. It belongs to who gets the parts.
func emitDocument(text []byte, emit func(Part) error) error {
	for first := true; len(text) > 0; first = false {
		n := len(text)
		if n > MaxPart {
			n = cut(text[:MaxPart])
		}
		if err := emit(Part{text[:n:n], first}); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// cut returns where a part that is full best ends: behind the last line feed of
// its second half, else the last space there, else between two characters.
func cut(b []byte) int {
	half := len(b) / 2
	if i := bytes.LastIndexByte(b[half:], '\n'); i >= 0 {
		return half + i + 1
	}
	if i := bytes.LastIndexByte(b[half:], ' '); i > 0 {
		return half + i // the space belongs to the word behind it
	}
	for n := len(b) - 1; n > len(b)-utf8.UTFMax; n-- {
		if utf8.RuneStart(b[n]) {
			return n
		}
	}
	return len(b)
}
