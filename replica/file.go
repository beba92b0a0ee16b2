package replica

// This file holds the model as a file of its own.

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"lode/aggregation"
	"lode/protocol"
)

// ErrModelFile is wrapped by every error of [Model.Decode].
var ErrModelFile = errors.New("not a model of this run")

const modelFormat = 1

// modelHeader begins the file, after its own length (uint32).
type modelHeader struct {
	_      struct{} `cbor:",toarray"`
	Format uint16
	Run    protocol.RunID
	Next   protocol.Round
	Planes uint32
	Last   uint64 // bytes
}

// MaxEncoded returns the length of the longest encoding.
func (m *Model) MaxEncoded() int {
	return 4 + 256 + len(m.Params)*(4+8*len(m.Outer)) + m.MaxLast() + sha256.Size
}

// Encode returns the model as a file: a header, the parameters (float32), the
// outer optimizer's planes (int64), all little-endian, the last step, and a SHA-256
// over it.
func (m *Model) Encode() []byte {
	last := m.Last()
	head := protocol.Encode(modelHeader{
		Format: modelFormat, Run: m.Rules.Run, Next: m.Next, Planes: uint32(len(m.Outer)), Last: uint64(len(last)),
	})
	b := make([]byte, 0, m.MaxEncoded())
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	b = append(b, head...)
	for _, v := range m.Params {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	for _, p := range m.Outer {
		for _, v := range p {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	b = append(b, last...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// Last returns the plain form of the step that led here, if the places of the next
// round follow from it; otherwise nothing.
func (m *Model) Last() []byte {
	if m.last == nil {
		return nil
	}
	return m.last.Plain()
}

// MaxLast bounds the length of [Model.Last].
func (m *Model) MaxLast() int {
	if !m.Rules.Shares() {
		return 0
	}
	return aggregation.MaxStepPlainLen(m.Rules.Layout, m.Rules.Merge(0)) // later steps are not longer
}

// Stand puts the model before round next, with what [Model.Last] returned there. On
// an error it has not changed.
func (m *Model) Stand(next protocol.Round, last []byte) error {
	var step *aggregation.Step
	if len(last) > 0 {
		var err error
		if step, err = aggregation.ParseStepPlain(m.Rules.Layout, m.Rules.Merge(next-1), slices.Clone(last)); err != nil {
			return fmt.Errorf("last step: %w", err)
		}
	}
	m.Next, m.last, m.known = next, step, 0
	return nil
}

// Decode replaces the model by what [Model.Encode] wrote for the same run. On an
// error the model has not changed.
func (m *Model) Decode(b []byte) error {
	fail := func(why string) error { return fmt.Errorf("%w: %s", ErrModelFile, why) }
	if len(b) < 4+sha256.Size {
		return fail("too short")
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sha256.Sum256(body) != [32]byte(sum) {
		return fail("damaged")
	}
	n := binary.LittleEndian.Uint32(body)
	if uint64(n) > uint64(len(body)-4) {
		return fail("header too long")
	}
	var h modelHeader
	if err := protocol.Decode(body[4:4+n], &h); err != nil {
		return fmt.Errorf("%w: %w", ErrModelFile, err)
	}
	body = body[4+n:]
	d := len(m.Params)
	switch {
	case h.Format != modelFormat:
		return fail(fmt.Sprintf("format %d, this program writes %d", h.Format, modelFormat))
	case h.Run != m.Rules.Run:
		return fail("another run's")
	case int(h.Planes) != len(m.Outer) || h.Last > uint64(len(body)) || len(body)-int(h.Last) != d*(4+8*len(m.Outer)):
		return fail("lengths do not add up")
	}
	if err := m.Stand(h.Next, body[len(body)-int(h.Last):]); err != nil {
		return fmt.Errorf("%w: %w", ErrModelFile, err)
	}
	for i := range m.Params {
		m.Params[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
	}
	body = body[4*d:]
	for _, p := range m.Outer {
		for i := range p {
			p[i] = int64(binary.LittleEndian.Uint64(body[8*i:]))
		}
		body = body[8*d:]
	}
	return nil
}
