package transport

// This file holds the stream of record entries in both directions.

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"lode/protocol"
)

// entryWriter frames entries: a length of four bytes, little-endian, then the
// entry.
type entryWriter struct {
	to  io.Writer
	buf []byte
	err error
}

func newEntryWriter(to io.Writer) *entryWriter { return &entryWriter{to: to} }

// send writes one entry.
func (w *entryWriter) send(entry []byte) error {
	if len(entry) == 0 || len(entry) > protocol.MaxMessageLen {
		panic(fmt.Sprintf("transport: record entry of %d bytes", len(entry)))
	}
	if w.err == nil {
		w.buf = binary.LittleEndian.AppendUint32(w.buf[:0], uint32(len(entry)))
		w.buf = append(w.buf, entry...)
		_, w.err = w.to.Write(w.buf)
	}
	return w.err
}

func (w *entryWriter) close() error { return w.err }

// readEntries calls each with every entry until the stream or each fails. The
// end the other side announces comes back as its refusal, or as io.EOF.
func readEntries(r io.Reader, each func(entry []byte) error) error {
	in := bufio.NewReaderSize(r, 32<<10)
	var head [4]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n == 0 {
			if _, err := readAnswer(in, 0); err != nil {
				return err
			}
			return io.EOF
		}
		if n > protocol.MaxMessageLen {
			return fmt.Errorf("%w: record entry of %d bytes, at most %d are allowed", protocol.ErrMalformed, n, protocol.MaxMessageLen)
		}
		entry, err := readBody(in, int(n))
		if err != nil {
			return err
		}
		if err := each(entry); err != nil {
			return err
		}
	}
}
