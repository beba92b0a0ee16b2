package cuda

// This file holds how the card takes a merged step off a vector: in its plain form, which is all
// that crosses the bus.

import (
	"encoding/binary"

	"lode/engine/cuda/driver"
	"lode/tensor"
)

// mapped is a merged step, whose chunks say by bits which values they have.
type mapped interface {
	Bits(c tensor.Chunk) (plain []byte, width int)
}

// headAt appends a Head of sparse.cu.
func headAt(heads []byte, at, value, place, num int) []byte {
	heads = binary.LittleEndian.AppendUint64(heads, uint64(at))
	for _, v := range []int{value, place, num, 0} {
		heads = binary.LittleEndian.AppendUint32(heads, uint32(int32(v)))
	}
	return heads
}

// steps are chunks of a step on their way to the card: heads in the sixteenth part of half of the
// exchange, and plain forms in the rest.
type steps struct {
	*vector
	half  *half
	heads []byte
	at    int // where the next plain form goes
	width int
	by    float64
}

// subtractStep takes a step, times by, off the vector.
func (v *vector) subtractStep(u mapped, by float64) error {
	s := steps{vector: v, by: by}
	for c := range v.e.layout.Chunks() {
		plain, width := u.Bits(c)
		if s.half != nil && (s.at+len(plain) > s.half.bytes || len(s.heads)+headBytes > s.half.prefixBytes()) {
			if err := s.flush(); err != nil {
				return err
			}
		}
		if s.half == nil {
			var err error
			if s.half, err = v.e.exchange.turn(); err != nil {
				return err
			}
			s.at = s.half.prefixBytes()
		}
		s.heads, s.width = headAt(s.heads, c.Offset, s.at-s.half.prefixBytes(), 0, c.Len), width
		s.at += copy(s.half.host.Bytes()[s.at:], plain)
	}
	return s.flush()
}

// flush has the chunks so far subtracted.
func (s *steps) flush() error {
	e, h := s.e, s.half
	copy(h.host.Bytes(), s.heads)
	if err := e.ship(h, s.at); err != nil {
		return err
	}
	if err := e.blocks("subtract_step", len(s.heads)/headBytes, driver.At(s.vector.at(0)), driver.At(h.card), driver.At(h.card.Plus(int64(h.prefixBytes()))),
		driver.Int(s.width), driver.Double(s.by)); err != nil {
		return err
	}
	s.half, s.heads = nil, s.heads[:0]
	return e.leave(h)
}
