package solo

// This file holds a trainer as bytes.
//
// Format 1: the magic, a header (see stateHeader), what the way needs, and SHA-256
// over all of it. Numbers are little-endian; blocks of varying length have their
// length (uint64) before them.

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"lode/protocol"
)

// ErrState is wrapped by every error of [Trainer.ReadState].
var ErrState = errors.New("not a state of this training")

var stateMagic = [8]byte{'l', 'o', 'd', 'e', 's', 'o', 'l', 1}

// stateHeader says whose state it is.
type stateHeader struct {
	_       struct{} `cbor:",toarray"`
	Run     protocol.RunID
	Apart   bool
	Workers uint32
	Done    totals
}

// WriteState writes all that further rounds depend on.
func (t *Trainer) WriteState(w io.Writer) error {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	head := protocol.Encode(stateHeader{Run: t.cfg.Rules.Run, Apart: t.cfg.Apart, Workers: uint32(t.cfg.Workers), Done: t.done})
	if _, err := out.Write(stateMagic[:]); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := errors.Join(writeBlock(out, head), t.way.write(out)); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// ReadState takes back what [Trainer.WriteState] wrote for the same rules, workers
// and way. After an error the trainer is of no further use.
func (t *Trainer) ReadState(r io.Reader) error {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	if err := t.readState(in); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	var digest [sha256.Size]byte
	if _, err := io.ReadFull(r, digest[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if !bytes.Equal(digest[:], sum.Sum(nil)) {
		return fmt.Errorf("%w: damaged", ErrState)
	}
	return t.save()
}

func (t *Trainer) readState(r io.Reader) error {
	var magic [len(stateMagic)]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return err
	}
	if magic != stateMagic {
		return errors.New("not format 1")
	}
	const maxHeader = 1024
	b, err := readBlock(r, maxHeader)
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	var h stateHeader
	if err := protocol.Decode(b, &h); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	switch {
	case h.Run != t.cfg.Rules.Run:
		return errors.New("other rules or another text")
	case h.Apart != t.cfg.Apart || int(h.Workers) != t.cfg.Workers:
		return fmt.Errorf("%d workers, apart: %v", h.Workers, h.Apart)
	}
	t.done = h.Done
	return t.way.read(r, protocol.Round(h.Done.Rounds))
}

func writeBlock(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...))
	return err
}

// readBlock reads a block of at most so many bytes.
func readBlock(r io.Reader, most int) ([]byte, error) {
	var size uint64
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
		return nil, err
	}
	if size > uint64(most) {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", size, most)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return b, err
}
