package gradient

// This file holds the codec: how the values of one chunk become bytes.

import (
	"lode/gradient/column"
	"lode/tensor"
)

// codec turns chunks of values into bytes and back. The bytes of a chunk of n
// values, its plain form, have a length that n determines. A codec is immutable.
// TestCodecs checks all that is said here.
type codec interface {
	coder
	decoder
	carrier
}

// coder makes plain forms.
type coder interface {
	// size returns the length of the plain form, kept the number of values that
	// it names.
	size(n int) int
	kept(n int) int
	// encode writes the plain form of vals to b and returns -1, or the index of
	// the first value that is not finite.
	encode(b []byte, vals []float32, s *scratch) (bad int)
}

// decoder reads plain forms.
type decoder interface {
	// check tells whether b is a plain form: the only one of what it decodes to.
	check(b []byte, n int) error
	// entries appends the nonzero values that b decodes to, in ascending
	// position and in units of 2^EMin.
	entries(dst []Entry, b []byte, n int) []Entry
	// add adds r of each of the values that entries names to dst.
	add(dst []int64, b []byte, r Rounding)
	// subtract takes each decoded value, in units of 2^EMin, times scale off dst:
	// the product is rounded to float64, then to float32, and the difference to
	// float32.
	subtract(dst []float32, b []byte, scale float64)
}

// setter is a decoder that is faster where it need not add.
type setter interface {
	// set is add to zeros.
	set(dst []int64, b []byte, r Rounding)
}

// carrier lets plain forms travel in columns.
type carrier interface {
	// columns returns what a chunk adds to each column, spread appends it.
	columns(n int) []columnSpec
	spread(cols [][]byte, b []byte, n int)
	// gather takes a chunk off the heads of cols and builds a plain form from
	// it, which is still to be checked.
	gather(b []byte, cols [][]byte, n int) error
}

// columnSpec is what one chunk, or all of them, add to a column.
type columnSpec struct {
	name string // for people
	column.Range
	// delta says that bytes travel as differences to the one before, modulo 256:
	// exponents, which change little from chunk to chunk.
	delta bool
}

func exactly(name string, n int) columnSpec {
	return columnSpec{name: name, Range: column.Exactly(n)}
}

// exponents is the column of one exponent a chunk.
func exponents() columnSpec {
	s := exactly("exponents", 1)
	s.delta = true
	return s
}

// scratch is what encoding a chunk needs. The zero scratch is ready.
type scratch struct {
	vals [tensor.ChunkLen]float32
	sel  selector
	xs   [tensor.ChunkLen]uint32
	code [tensor.ChunkLen]byte
}

// takeBytes takes the next n bytes off the head of a column.
func takeBytes(col *[]byte, n int) []byte {
	b := (*col)[:n]
	*col = (*col)[n:]
	return b
}
